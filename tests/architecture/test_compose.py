"""The compose file says what the code says, and gives nothing away. It is read here, not run: that needs Docker."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from eucora.settings import Settings
from eucora.stack import SEARCH_ATTRIBUTES
from workflows.search_attributes import ALL

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.temporal.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"temporal-schema", "temporal-namespace", "migrate"}


def test_the_search_attributes_are_the_same_everywhere() -> None:
    keys = {key.name: key.indexed_value_type.name.title().replace("_", "") for key in ALL}
    assert keys == {name: kind.title() if kind != "KeywordList" else kind for name, kind in SEARCH_ATTRIBUTES.items()}
    (script,) = SERVICES["temporal-namespace"]["command"]
    assert dict(re.findall(r"\b([A-Z]\w+)=([A-Z]\w+)\b", script)) == SEARCH_ATTRIBUTES


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_long_running_services_are_watched(name: str) -> None:
    service = SERVICES[name]
    if "build" not in service:
        assert re.search(r":\d+\.\d+", service["image"]), "pin the image to a version"
    assert ("healthcheck" in service) == (name not in ONE_SHOT)


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published_beyond_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_there_is_no_password_in_an_environment(name: str) -> None:
    for variable, value in (SERVICES[name].get("environment") or {}).items():
        if re.search(r"PASSWORD|PWD|SECRET|TOKEN|DATABASE_URL", variable):
            assert str(value).startswith("/run/secrets"), f"{variable} of {name}: mount it as a file"


def test_every_secret_is_declared_drawn_or_asked_for_and_used() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    script = (ROOT / "deploy" / "make-secrets.sh").read_text()
    for secret in used:
        assert secret in script or secret.removesuffix("_password") in script
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_application_never_sees_the_owner_of_the_tables() -> None:
    for name in ("api", "worker"):
        assert "eucora_database_owner_url" not in SERVICES[name]["secrets"]
        assert "owner_password" not in SERVICES[name]["secrets"]


@pytest.mark.parametrize("name", ["migrate", "api", "worker"])
def test_every_variable_of_ours_is_a_setting(name: str) -> None:
    known = {"EUCORA_ENV", *(f"EUCORA_{field.upper()}" for field in Settings.model_fields)}
    ours = {variable for variable in SERVICES[name]["environment"] if variable.startswith("EUCORA_")}
    assert ours <= known
