"""The states of a deployment and its only transitions (``domain.md`` §1)."""

from __future__ import annotations

from eucora.domain.vocabulary import DeploymentState as S

TRANSITIONS: dict[S, frozenset[S]] = {
    S.PENDING: frozenset({S.AWAITING_CAB, S.APPROVED, S.DEPLOYING, S.REJECTED, S.CANCELLED, S.FAILED}),
    S.AWAITING_CAB: frozenset({S.APPROVED, S.DEPLOYING, S.REJECTED, S.ROLLED_BACK, S.CANCELLED, S.FAILED}),
    S.APPROVED: frozenset({S.DEPLOYING, S.AWAITING_CAB, S.ROLLED_BACK, S.CANCELLED}),
    S.DEPLOYING: frozenset({S.AWAITING_CAB, S.COMPLETED, S.ROLLED_BACK, S.REJECTED, S.FAILED}),
    S.COMPLETED: frozenset(),
    S.REJECTED: frozenset(),
    S.ROLLED_BACK: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}

FINAL: frozenset[S] = frozenset(state for state, targets in TRANSITIONS.items() if not targets)


class IllegalTransition(AssertionError):
    """A fact would move a deployment along an edge that does not exist: a bug in the decider or a forged trail."""


def move(current: S, target: S) -> S:
    """Return ``target`` when the edge exists or nothing changes; raise :class:`IllegalTransition` otherwise."""
    if current is target or target in TRANSITIONS[current]:
        return target
    msg = f"no transition {current} -> {target}"
    raise IllegalTransition(msg)
