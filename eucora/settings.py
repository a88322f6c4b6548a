"""Everything eucora reads from its environment, read once.

Names carry the prefix ``EUCORA_``; ``DATABASE_URL`` keeps its customary name. The address of Temporal is not here: the
engine's own names (``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_PROFILE`` ...) are read by the SDK's
``temporalio.envconfig``. What belongs to one vendor is in that connector's ``settings.py``.

No secret has a default; secrets may also be files, as container platforms mount them (``EUCORA_SECRETS_DIR``). A value
that is needed and missing is an error that names the variable to set.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Environment", "LogFormat", "MissingSetting", "Settings"]

MIB = 1024 * 1024
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({LOOPBACK, "::1", "localhost"})


class MissingSetting(Exception):
    """A setting this environment cannot do without is absent; the message names the variables to set."""


class Environment(StrEnum):
    """Where this process runs. Everything but ``development`` requires a real identity provider."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    """How a log event is written: one JSON object a line, or coloured text for a person at a terminal."""

    JSON = "json"
    CONSOLE = "console"


class Settings(BaseSettings):
    """The settings shared by the API, the workers and the command line.

    Build it with :meth:`for_environment`, which also checks what the environment requires.
    """

    model_config = SettingsConfigDict(
        env_prefix="EUCORA_", env_ignore_empty=True, extra="ignore", frozen=True, validate_by_name=True
    )

    environment: Environment = Field(
        default=Environment.DEVELOPMENT,
        validation_alias="EUCORA_ENV",
        description="development, staging or production. Only development has the built-in identity provider.",
    )

    secrets_dir: Path | None = Field(
        default=None,
        description="Folder of files named after variables (database_url, eucora_token) whose content is their value.",
    )

    database_url: SecretStr | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="Postgres URL of the application role, which owns no table: postgresql://user:password@host/name.",
    )
    database_owner_url: SecretStr | None = Field(
        default=None,
        description="Postgres URL of the role that owns the tables; read by `eucora db upgrade` only.",
    )
    database_pool_size: int = Field(
        default=10, ge=1, le=200, description="Most connections to Postgres held open by one process."
    )
    blob_url: str = Field(
        default="file:.eucora/blobs",
        description="The content-addressed store of artifacts, packs and reports: a folder path or a file: URL.",
    )

    api_host: str = Field(default=LOOPBACK, description="Address the API listens on.")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port the API listens on.")
    api_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the API's Prometheus metrics, on EUCORA_HEALTH_HOST; 0 = none."
    )
    api_url: str = Field(
        default="http://127.0.0.1:8000",
        description="Where the command line and workers at isolated sites find the API.",
    )
    token: SecretStr | None = Field(
        default=None, description="Bearer token the command line and machines present to the API."
    )
    body_limit_bytes: int = Field(
        default=MIB, ge=1024, description="Largest request body in bytes, uploads of artifacts excepted."
    )
    artifact_size_limit_bytes: int = Field(
        default=4096 * MIB, ge=1, description="Largest artifact in bytes that may be uploaded."
    )

    cors_origins: list[str] = Field(
        default_factory=list, description="Origins of web pages that may call the API, as a JSON list; none by default."
    )
    temporal_wait_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Seconds the API waits for a worker before it answers 202 or 503."
    )
    vote_wait_seconds: float = Field(
        default=1.0, ge=0, le=10, description="Seconds the API waits for a vote's outcome before it answers 202."
    )

    claims_key_file: Path | None = Field(
        default=None,
        description="PEM file with the API's Ed25519 private key; it signs the claims that signals and updates carry.",
    )
    trusted_signers_file: Path | None = Field(
        default=None, description="JSON list of the keys whose signatures of artifacts are trusted, with their vendors."
    )

    identity_secret_file: Path | None = Field(
        default=None,
        description="File with the secret of the development identity provider; unused outside development.",
    )
    entra_tenant: str | None = Field(default=None, description="Entra ID tenant, by id or verified domain.")
    entra_client_id: str | None = Field(default=None, description="Client id of the application that signs people in.")
    entra_client_secret: SecretStr | None = Field(
        default=None, description="Client secret for signing people in; machines' bearer tokens need none."
    )
    entra_audience: str | None = Field(default=None, description="Audience that a bearer token must be issued for.")

    task_queue: str = Field(
        default="eucora", min_length=1, description="Task queue of the workflows and of the database activities."
    )
    planes: str = Field(
        default="",
        description="The planes and the connector of each, as NAME=CONNECTOR separated by commas; none by default. "
        "Read by eucora.connectors.registry.",
    )
    worker_queues: str = Field(
        default="all", description="Queues a worker polls when no flag says so: all, or names separated by commas."
    )
    shutdown_grace_seconds: int = Field(
        default=20, ge=0, description="Seconds a stopping worker gives its activities to finish or hand over."
    )

    health_host: str = Field(default=LOOPBACK, description="Address of the health and metrics endpoints.")
    health_port: int = Field(
        default=9465, ge=0, le=65535, description="Port of the worker's health and of eucora's own metrics; 0 = none."
    )
    metrics_port: int = Field(
        default=9464, ge=0, le=65535, description="Port of the Temporal SDK's metrics of a worker; 0 = none."
    )

    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    log_format: LogFormat = Field(default=LogFormat.JSON, description="json, or console for a person at a terminal.")

    @field_validator("log_level", mode="after")
    @classmethod
    def _known_level(cls, value: str) -> str:
        level = value.upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError(f"{value!r} is no log level; use DEBUG, INFO, WARNING, ERROR or CRITICAL")
        return level

    @classmethod
    def for_environment(cls, **overrides: object) -> Self:
        """Read the settings and check them for the environment they name.

        ``overrides`` are fields by name that win over the process environment (flags of a command line).

        Raises :class:`MissingSetting` when a value has the wrong form, or when the environment is not development and
        the identity provider, a key or the database is not configured.
        """
        try:
            settings = cls(_secrets_dir=os.environ.get("EUCORA_SECRETS_DIR"), **overrides)  # type: ignore[arg-type]
        except ValidationError as error:
            raise MissingSetting(_explain(error)) from None
        settings.check()
        return settings

    @property
    def is_development(self) -> bool:
        """Whether the development identity provider may exist."""
        return self.environment is Environment.DEVELOPMENT

    def check(self) -> None:
        """Raise :class:`MissingSetting` naming every variable this environment requires and does not have."""
        if self.is_development:
            if self.api_host not in LOOPBACK_NAMES:
                raise MissingSetting(
                    f"EUCORA_API_HOST={self.api_host}: the development identity provider is for loopback only; "
                    "listen on 127.0.0.1, or set EUCORA_ENV=production and configure Entra ID"
                )
            return
        required = {
            "EUCORA_ENTRA_TENANT": self.entra_tenant,
            "EUCORA_ENTRA_CLIENT_ID": self.entra_client_id,
            "EUCORA_ENTRA_AUDIENCE": self.entra_audience,
        }
        missing = [name for name, value in required.items() if not value]
        if missing:
            raise MissingSetting(
                f"EUCORA_ENV={self.environment.value} needs Entra ID: set {', '.join(missing)}. "
                "The built-in identity provider exists only with EUCORA_ENV=development."
            )

    def require_database_url(self) -> str:
        """The application role's Postgres URL. Raises :class:`MissingSetting` when ``DATABASE_URL`` is not set."""
        return _required_secret(self.database_url, "DATABASE_URL", "the Postgres URL of the application role")

    def require_claims_key_file(self) -> Path:
        """Path of the API's claims key. Raises :class:`MissingSetting` when it is not set."""
        return _required_file(self.claims_key_file, "EUCORA_CLAIMS_KEY_FILE")

    def require_identity_secret_file(self) -> Path:
        """Path of the development identity provider's secret. Raises :class:`MissingSetting` when it is not set."""
        return _required_file(self.identity_secret_file, "EUCORA_IDENTITY_SECRET_FILE")


def _required_secret(value: SecretStr | None, name: str, meaning: str) -> str:
    if value is None:
        raise MissingSetting(f"{name} is not set: it is {meaning}")
    return value.get_secret_value()


def _required_file(value: Path | None, name: str) -> Path:
    if value is None:
        raise MissingSetting(f"{name} is not set; `eucora up` makes development keys, see `eucora doctor`")
    return value


def _explain(error: ValidationError) -> str:
    """Name each variable at fault and what is wrong with it, never its value, which may be a secret."""
    parts = []
    for detail in error.errors(include_input=False, include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        field = Settings.model_fields.get(name)
        variable = name if field is None or field.validation_alias is not None else f"EUCORA_{name.upper()}"
        parts.append(f"{variable}: {detail['msg']}")
    return "; ".join(parts)
