"""The record leaves the API as a file that verifies without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eucora.audit.verify import verify
from tests.api.service import Service, world

READER = "auditor-ava"


async def exported(service: Service, **parameters: str) -> list[bytes]:
    """The export's lines."""
    answer = await service.as_(READER).get("/audit/export", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    return answer.content.splitlines(keepends=True)


async def recorded(service: Service) -> tuple[str, int]:
    """A rollout to its end in the record: its id and the number of its facts."""
    made = world()
    made.run()
    return await service.record(made), len(made.facts)


async def test_every_event_is_in_the_file_and_the_chain_holds(service: Service) -> None:
    _, facts = await recorded(service)
    lines = await exported(service)
    assert sum(line.startswith(b'{"event":') for line in lines) == facts
    report = verify(lines)
    assert (report.streams, report.events, report.whole) == (1, facts, True)


async def test_one_deployment_is_a_part_and_says_so(service: Service) -> None:
    deployment_id, facts = await recorded(service)
    report = verify(await exported(service, deployment=deployment_id))
    assert (report.streams, report.events, report.whole) == (1, facts, False)


async def test_a_deployment_that_is_not_there_is_a_404(service: Service) -> None:
    answer = await service.as_(READER).get(
        "/audit/export", params={"deployment": "00000000-0000-0000-0000-000000000000"}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "deployment_not_found")


@pytest.mark.parametrize("harm", [lambda lines: lines[:-1], lambda lines: [lines[0], *lines[2:]]])
async def test_a_file_that_was_cut_does_not_hold(service: Service, harm: Callable[[list[bytes]], list[bytes]]) -> None:
    await recorded(service)
    assert not verify(harm(await exported(service))).ok


async def test_only_those_who_read_the_record_may_take_it_away(service: Service) -> None:
    answer = await service.as_("publisher-petra").get("/audit/export")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
