"""What the ``sim`` connector reads from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from eucora.domain.vocabulary import RollbackStrategy
from eucora.settings import MissingSetting

__all__ = ["SimSettings"]

_STRATEGIES = {
    "windows": (RollbackStrategy.INTUNE_SUPERSEDENCE, RollbackStrategy.ASSIGNMENT_REMOVE),
    "macos": (RollbackStrategy.JAMF_VERSION_PINNING, RollbackStrategy.ASSIGNMENT_REMOVE),
}


class SimSettings(BaseModel):
    """Settings of one plane in front of the virtual fleet.

    ================================  ===============================================================================
    ``EUCORA_FLEET_URL``              where the fleet listens, for example ``http://127.0.0.1:8700``; required
    ``EUCORA_FLEET_PLANES``           ``NAME=keyed|naive`` for each of its planes, as the fleet was started; required
    ``EUCORA_FLEET_TOKEN``            the fleet's bearer token, when it was started with one
    ``EUCORA_FLEET_TIMEOUT_SECONDS``  how long to wait for an answer; 30 by default
    ================================  ===============================================================================
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plane: str
    url: AnyHttpUrl
    keyed: bool
    strategies: tuple[RollbackStrategy, ...]
    token: SecretStr | None = None
    answer_timeout_seconds: float = Field(default=30.0, gt=0, le=300)

    @classmethod
    def from_environment(cls, plane: str, environment: Mapping[str, str]) -> Self:
        """Read the plane's settings. Raises :class:`MissingSetting` naming the variable that is missing or wrong."""
        url = environment.get("EUCORA_FLEET_URL", "")
        if not url:
            raise MissingSetting("EUCORA_FLEET_URL is not set: it is where the virtual fleet listens")
        modes = dict(
            entry.strip().partition("=")[::2]
            for entry in environment.get("EUCORA_FLEET_PLANES", "").split(",")
            if entry.strip()
        )
        if modes.get(plane) not in {"keyed", "naive"}:
            raise MissingSetting(f"EUCORA_FLEET_PLANES does not say {plane}=keyed or {plane}=naive")
        platform = "macos" if plane.endswith(("mac", "macos")) else "windows"
        token = environment.get("EUCORA_FLEET_TOKEN")
        timeout = environment.get("EUCORA_FLEET_TIMEOUT_SECONDS") or 30.0
        try:
            return cls.model_validate(
                {
                    "plane": plane,
                    "url": url,
                    "keyed": modes[plane] == "keyed",
                    "strategies": _STRATEGIES[platform],
                    "token": token or None,
                    "answer_timeout_seconds": timeout,
                }
            )
        except ValidationError as error:
            names = {"url": "EUCORA_FLEET_URL", "answer_timeout_seconds": "EUCORA_FLEET_TIMEOUT_SECONDS"}
            detail = error.errors(include_input=False, include_url=False)[0]
            raise MissingSetting(f"{names.get(str(detail['loc'][0]), plane)}: {detail['msg']}") from None
