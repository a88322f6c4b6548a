"""Messages of the deployment workflow: its start, its answers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from eucora.domain.facts import TrustedKey
from eucora.domain.plan import RolloutPlan
from eucora.domain.state import RolloutState
from eucora.domain.vocabulary import DeploymentState
from models.messages.claims import SignedClaim


class Frozen(BaseModel):
    """Base of all messages: frozen; unknown fields are ignored, so that an older worker reads a newer message."""

    model_config = ConfigDict(frozen=True)


class StartDeployment(Frozen):
    """The one argument of the workflow's run. ``state`` is given by continue-as-new only."""

    plan: RolloutPlan
    claim: SignedClaim
    trusted_keys: tuple[TrustedKey, ...]
    state: RolloutState | None = None


class SubmitOutcome(Frozen):
    """What the submission came to: accepted (score known) or refused with a code of ``domain.md`` §10."""

    deployment_id: str
    state: DeploymentState
    accepted: bool
    code: str = ""
    sentence: str = ""
    field: str = ""
    holder: str = ""
    risk_score: int | None = None
    tier: str = ""
    quorum: int = 0
    checkpoints: tuple[str, ...] = ()


class ControlOutcome(Frozen):
    """A control was accepted and recorded as the facts of these types, the last at ``sequence``."""

    message_id: str
    facts: tuple[str, ...]
    sequence: int


class DeploymentStatus(Frozen):
    """Answer of the ``status`` query."""

    deployment_id: str
    state: DeploymentState
    reason_code: str
    reason: str
    since: datetime
    ring: str
    sequence: int
    waiting_until: datetime | None
    running: tuple[str, ...]
    """Keys of the commands under way."""
