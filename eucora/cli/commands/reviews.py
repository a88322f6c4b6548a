"""``reviews``, ``approve``, ``reject``: the change advisory board."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from eucora.cli import render
from eucora.cli.client import ApiClient
from eucora.cli.context import ApiOption, AsOption, JsonOption, Output, connect
from eucora.cli.errors import Stopped
from models.wire.cab import ReviewSummary, VoteAnswer

__all__ = ["register"]

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the deployment or of its review.")]
CommentOption = Annotated[str, typer.Option("--comment", help="What the record shall say.")]
PackOption = Annotated[
    str | None, typer.Option("--pack", metavar="DIGEST", help="The evidence pack you looked at; default: the review's.")
]


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.command()(reviews)
    app.command()(approve)
    app.command()(reject)


def reviews(*, person: AsOption = None, api: ApiOption = None, as_json: JsonOption = False) -> None:
    """List the reviews that are open for votes."""
    output = Output(as_json)
    with connect(api, person) as client:
        found = [ReviewSummary.model_validate(item) for item in client.pages("/cab/pending")]
    value = [review.model_dump(mode="json") for review in found]
    output.show(value, lambda: render.reviews_table(found, now=datetime.now(UTC)))


def approve(
    identifier: IdArgument,
    *,
    comment: CommentOption = "",
    max_ring: Annotated[str | None, typer.Option("--max-ring", help="Condition: the last ring it may enter.")] = None,
    min_success_rate: Annotated[
        float | None, typer.Option("--min-success-rate", help="Condition: percent that every gate must reach.")
    ] = None,
    observe_hours: Annotated[
        float | None, typer.Option("--observe-hours", help="Condition: hours to observe each ring.")
    ] = None,
    not_before: Annotated[datetime | None, typer.Option("--not-before", help="Condition: not before, UTC.")] = None,
    not_after: Annotated[datetime | None, typer.Option("--not-after", help="Condition: not after, UTC.")] = None,
    rollback_below: Annotated[
        float | None, typer.Option("--rollback-below", help="Condition: roll back below this success rate, percent.")
    ] = None,
    condition: Annotated[str, typer.Option("--condition", help="A condition in words, for people.")] = "",
    pack: PackOption = None,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a review; with a condition the approval is conditional and the conditions are checked by machine."""
    conditions = {
        "max_ring": max_ring,
        "min_success_rate": min_success_rate,
        "observe_hours": observe_hours,
        "not_before": _utc(not_before),
        "not_after": _utc(not_after),
        "rollback_below": rollback_below,
        "text": condition or None,
    }
    body = {"comment": comment, "conditions": {name: value for name, value in conditions.items() if value is not None}}
    _vote("approve", identifier, body, pack=pack, person=person, api=api, output=Output(as_json))


def reject(
    identifier: IdArgument,
    *,
    comment: CommentOption,
    pack: PackOption = None,
    person: AsOption = None,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject a review: the deployment ends, and what it did in LAB is rolled back."""
    body = {"comment": comment}
    _vote("reject", identifier, body, pack=pack, person=person, api=api, output=Output(as_json))


def _vote(
    decision: str,
    identifier: str,
    body: dict[str, Any],
    *,
    pack: str | None,
    person: str | None,
    api: str | None,
    output: Output,
) -> None:
    with connect(api, person) as client:
        review = find_review(client, identifier)
        vote_body = {"pack_digest": pack or review.evidence_pack, **body}
        _, answer = client.post(f"/cab/{review.id}/{decision}", vote_body, key=str(uuid4()))
    vote = VoteAnswer.model_validate(answer)
    kept = " (kept until a worker takes it)" if vote.outcome == "pending" else ""
    text = f"{vote.decision.value} for {review.application} {review.version} before {review.ring}: {vote.outcome}{kept}"
    output.show(vote.model_dump(mode="json"), lambda: text)


def find_review(client: ApiClient, identifier: str) -> ReviewSummary:
    """The open review of that id or of that deployment. Raises :class:`Stopped` when there is none."""
    for item in client.pages("/cab/pending"):
        review = ReviewSummary.model_validate(item)
        if identifier in (review.id, review.deployment_id):
            return review
    raise Stopped(
        f"No review of {identifier} is open for votes now; `eucora reviews` lists them.", code="no_open_review"
    )


def _utc(value: datetime | None) -> str | None:
    return None if value is None else value.replace(tzinfo=UTC).isoformat()
