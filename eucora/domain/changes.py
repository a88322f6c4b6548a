"""Changes of a state that several facts make; what :mod:`eucora.domain.evolve` is written with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from eucora.domain.state import PlaneRun, Reason, RingRun, RolloutState
from eucora.domain.states import move
from eucora.domain.vocabulary import DeploymentState


def because(
    state: RolloutState, code: str, sentence: str, at: datetime, to: DeploymentState | None = None
) -> RolloutState:
    """Give the reason, and move to ``to`` where it is given. During a rollback nothing else explains the state."""
    if to is None:
        if state.rollback is not None:
            return state
        return replace(state, reason=Reason(code=code, sentence=sentence, since=at))
    return replace(state, state=move(state.state, to), reason=Reason(code=code, sentence=sentence, since=at))


def in_ring(state: RolloutState, name: str, change: Callable[[RingRun], RingRun]) -> RolloutState:
    """Change one ring."""
    return replace(state, rings=tuple(change(ring) if ring.name == name else ring for ring in state.rings))


def on_planes(state: RolloutState, ring: str, change: Callable[[PlaneRun], PlaneRun]) -> RolloutState:
    """Change the work on every plane of a ring."""
    return in_ring(state, ring, lambda run: replace(run, planes=tuple(change(one) for one in run.planes)))


def on_plane(state: RolloutState, ring: str, plane: str, **changes: Any) -> RolloutState:
    """Change fields of one plane's work in one ring."""
    return on_planes(state, ring, lambda run: replace(run, **changes) if run.plane == plane else run)


def on_review(state: RolloutState, checkpoint: int, **changes: Any) -> RolloutState:
    """Change fields of a checkpoint's review."""
    return replace(
        state,
        reviews=tuple(replace(one, **changes) if one.checkpoint == checkpoint else one for one in state.reviews),
    )


def reviews_ended(state: RolloutState) -> RolloutState:
    """End the review that is open: there is nothing to decide any more."""
    if state.open_review is None:
        return state
    return on_review(state, state.open_review.checkpoint, status="ended")
