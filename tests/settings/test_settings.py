"""Settings: read once, no default secret, and an error that names the variable to set."""

from pathlib import Path

import pytest

from eucora.settings import Environment, MissingSetting, Settings

ENTRA = {"entra_tenant": "contoso.example", "entra_client_id": "id", "entra_audience": "api://eucora"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("EUCORA_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)


def test_the_default_is_development_on_loopback_without_any_secret() -> None:
    settings = Settings.for_environment()
    assert settings.is_development
    assert (settings.api_host, settings.health_host) == ("127.0.0.1", "127.0.0.1")
    for name in ("database_url", "database_owner_url", "token", "entra_client_secret", "claims_key_file"):
        assert getattr(settings, name) is None


def test_the_environment_is_read_by_its_documented_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUCORA_API_PORT", "8123")
    monkeypatch.setenv("EUCORA_LOG_LEVEL", "debug")
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:pw@db/eucora")
    monkeypatch.setenv("EUCORA_TOKEN", "")
    settings = Settings.for_environment()
    assert (settings.api_port, settings.log_level, settings.token) == (8123, "DEBUG", None)
    assert settings.require_database_url() == "postgresql://app:pw@db/eucora"


def test_a_secret_is_not_shown() -> None:
    settings = Settings.for_environment(database_url="postgresql://app:hunter2@db/eucora", token="hunter2")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_outside_development_missing_entra_is_an_error_naming_each_variable(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("EUCORA_ENV", environment)
    monkeypatch.setenv("EUCORA_ENTRA_TENANT", "contoso.example")
    with pytest.raises(MissingSetting, match="EUCORA_ENTRA_CLIENT_ID, EUCORA_ENTRA_AUDIENCE") as error:
        Settings.for_environment()
    assert "EUCORA_ENTRA_TENANT," not in str(error.value)


def test_production_with_entra_starts() -> None:
    settings = Settings.for_environment(environment=Environment.PRODUCTION, api_host="0.0.0.0", **ENTRA)  # noqa: S104
    assert not settings.is_development


def test_the_development_identity_provider_stays_on_loopback() -> None:
    with pytest.raises(MissingSetting, match=r"EUCORA_API_HOST=0\.0\.0\.0"):
        Settings.for_environment(api_host="0.0.0.0")  # noqa: S104


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EUCORA_API_PORT", "hunter2"),
        ("EUCORA_API_PORT", "70000"),
        ("EUCORA_ENV", "hunter2"),
        ("EUCORA_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_malformed_value_is_an_error_naming_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(MissingSetting, match=variable) as error:
        Settings.for_environment()
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "variable"),
    [
        (Settings.require_database_url, "DATABASE_URL"),
        (Settings.require_claims_key_file, "EUCORA_CLAIMS_KEY_FILE"),
        (Settings.require_identity_secret_file, "EUCORA_IDENTITY_SECRET_FILE"),
    ],
)
def test_what_is_required_and_missing_is_named(call: object, variable: str) -> None:
    assert callable(call)
    with pytest.raises(MissingSetting, match=f"{variable} is not set"):
        call(Settings.for_environment())


def test_secrets_may_be_files_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://app:pw@db/eucora\n")
    (tmp_path / "eucora_token").write_text("from-file")
    monkeypatch.setenv("EUCORA_SECRETS_DIR", str(tmp_path))
    settings = Settings.for_environment()
    assert settings.require_database_url() == "postgresql://app:pw@db/eucora"
    assert settings.token is not None
    assert settings.token.get_secret_value() == "from-file"
    monkeypatch.setenv("EUCORA_TOKEN", "from-environment")
    token = Settings.for_environment().token
    assert token is not None
    assert token.get_secret_value() == "from-environment"
