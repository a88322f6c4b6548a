"""What a start stands for: one digest over the whole plan and the keys that it brings (``architecture.md`` §2,
Starting).
"""

from __future__ import annotations

from collections.abc import Sequence

from eucora.domain.facts import TrustedKey
from eucora.domain.plan import RolloutPlan
from eucora.signing.payload import body_digest
from models.messages.codec import plan_to_json

__all__ = ["start_digest"]


def start_digest(plan: RolloutPlan, trusted_keys: Sequence[TrustedKey]) -> str:
    """SHA-256 (hex) over the plan and the trusted keys. The API stores it before it starts, sealing asks for it."""
    keys = {key.key_id: key.public_key for key in trusted_keys}
    return body_digest({"plan": plan_to_json(plan), "trusted_keys": keys})
