"""Settings of an Ansible plane, read from the environment's variables once, when the plane is built.

A variable is ``EUCORA_ANSIBLE_`` and the field's name in capitals. ``EUCORA_ANSIBLE_<PLANE>_`` (the plane's name in
capitals, dashes as underscores) wins over it, so that one worker can serve several inventories.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from eucora.settings import MissingSetting

__all__ = ["PREFIX", "SETTINGS_FILE", "AnsibleSettings"]

PREFIX = "EUCORA_ANSIBLE_"
SETTINGS_FILE = "settings.json"
"""Name of the file, in a job's folder, that tells the job's process the settings."""


class AnsibleSettings(BaseModel):
    """What the connector needs to know. Times are whole seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plane: str
    inventory: Path = Field(description="Ansible inventory: a file or a folder, in any format Ansible reads.")
    state: Path = Field(
        default=Path(".eucora/ansible"), description="Folder of the ledger, the content cache and the runs."
    )
    forks: int = Field(
        default_factory=lambda: min(8, os.cpu_count() or 2), ge=1, le=200, description="Hosts worked on at a time."
    )
    batch_size: int = Field(
        default=50, ge=1, le=5000, description="Most hosts of one play: a stop or a rollback waits for one batch."
    )
    max_attempts: int = Field(default=3, ge=1, le=10, description="Attempts per host before a failure is final.")
    host_timeout: int = Field(default=600, ge=1, description="Seconds one command may take on one host.")
    run_timeout: int = Field(default=3600, ge=1, description="Seconds one play may take; then it is ended.")
    unreachable_interval: int = Field(default=900, ge=1, description="Seconds until a silent host is tried again.")
    orphan_grace: int = Field(default=30, ge=1, description="Seconds a run goes on after its last worker is gone.")
    inventory_max_age: int = Field(
        default=60, ge=0, description="Seconds after which an unchanged inventory is read again (dynamic inventories)."
    )
    interpreter: Path = Field(
        default=Path(sys.executable), description="Python on hosts whose inventory names none (local hosts: ours)."
    )
    pass_environment: tuple[str, ...] = Field(
        default=("SSH_AUTH_SOCK",), description="Variables, separated by commas, that plays inherit from the worker."
    )

    @field_validator("pass_environment", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("inventory", "state", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def for_plane(cls, plane: str, environment: Mapping[str, str]) -> Self:
        """Read the plane's settings.

        Raises :class:`MissingSetting` naming each variable that is missing or malformed; never its value.
        """
        own = f"{PREFIX}{plane.upper().replace('-', '_')}_"
        values: dict[str, object] = {"plane": plane}
        for name in cls.model_fields:
            if name == "plane":
                continue
            text = environment.get(own + name.upper()) or environment.get(PREFIX + name.upper())
            if text:
                values[name] = text
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            details = error.errors(include_input=False, include_url=False)
            raise MissingSetting(
                "; ".join(f"{PREFIX}{str(detail['loc'][0]).upper()}: {detail['msg']}" for detail in details)
            ) from None
        return settings.model_copy(update={"state": settings.state / plane})
