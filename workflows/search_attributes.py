"""Search attributes of a deployment in the Temporal Web UI (``architecture.md`` §6). Names are registered by the
stack.
"""

from __future__ import annotations

from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from eucora.domain.plan import RolloutPlan
from eucora.domain.state import RolloutState

DEPLOYMENT_STATE = SearchAttributeKey.for_keyword("DeploymentState")
APP_ID = SearchAttributeKey.for_keyword("AppId")
RING = SearchAttributeKey.for_keyword("Ring")
RISK_TIER = SearchAttributeKey.for_keyword("RiskTier")
CAB_STATUS = SearchAttributeKey.for_keyword("CabStatus")
REQUESTER = SearchAttributeKey.for_keyword("Requester")
CHANGE_ID = SearchAttributeKey.for_keyword("ChangeId")
RISK_SCORE = SearchAttributeKey.for_int("RiskScore")
PLANES = SearchAttributeKey.for_keyword_list("Planes")

ALL = (DEPLOYMENT_STATE, APP_ID, RING, RISK_TIER, CAB_STATUS, REQUESTER, CHANGE_ID, RISK_SCORE, PLANES)

Shown = tuple[str, str, str, str, int]


def at_start(plan: RolloutPlan) -> TypedSearchAttributes:
    """Attributes that never change, given with the start."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(DEPLOYMENT_STATE, "PENDING"),
            SearchAttributePair(APP_ID, plan.application.id),
            SearchAttributePair(REQUESTER, plan.requester),
            SearchAttributePair(CHANGE_ID, plan.correlation_id),
            SearchAttributePair(PLANES, list(plan.planes)),
        ]
    )


def shown(state: RolloutState) -> Shown:
    """The attributes that follow the state; an upsert is worth its Action only when this changes."""
    ring = state.ring
    review = state.reviews[-1] if state.reviews else None
    return (
        state.state,
        "" if ring is None else ring.name,
        "" if state.risk is None else state.risk.tier,
        "none" if review is None else review.status,
        -1 if state.risk is None else state.risk.score,
    )


def updates(now: Shown, before: Shown | None) -> list[SearchAttributeUpdate[Any]]:
    """The updates that bring the attributes from ``before`` to ``now``."""
    keys = (DEPLOYMENT_STATE, RING, RISK_TIER, CAB_STATUS)
    changed: list[SearchAttributeUpdate[Any]] = [
        key.value_set(str(value))
        for index, (key, value) in enumerate(zip(keys, now[:4], strict=True))
        if value and (before is None or before[index] != value)
    ]
    if now[4] >= 0 and (before is None or before[4] != now[4]):
        changed.append(RISK_SCORE.value_set(now[4]))
    return changed
