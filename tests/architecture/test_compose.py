"""The compose file says what the code says, and gives nothing away. It is read here, not run: that needs Docker."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
import pytest
import yaml
from starlette.routing import Route

from api.app import BASE, NOUNS
from eucora.connectors import registry
from eucora.connectors.ansible.settings import PREFIX, AnsibleSettings
from eucora.connectors.sim.settings import SimSettings
from eucora.runtime.health import serve_health
from eucora.settings import Settings
from eucora.signing.trusted_signers import load_trusted_signers
from eucora.sim.service import create_app as create_fleet
from eucora.sim.service import parse_planes
from eucora.stack import SEARCH_ATTRIBUTES
from eucora.stack.ports import choose
from eucora.stack.temporal import DYNAMIC_CONFIG
from workflows.search_attributes import ALL

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.temporal.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"temporal-schema", "temporal-namespace", "migrate"}
OURS = ["migrate", "api", "worker"]
CONNECTORS = {f"{PREFIX}{field.upper()}" for field in AnsibleSettings.model_fields} | set(
    re.findall(r"``(EUCORA_FLEET_\w+)``", SimSettings.__doc__ or "")
)


def environment(name: str) -> dict[str, str]:
    """The environment of a service with the variables that a person must choose left empty."""
    given = SERVICES[name]["environment"]
    return {variable: re.sub(r"\$\{\w+[:?][^}]*\}", "", str(value)) for variable, value in given.items()}


def probed(name: str) -> SplitResult:
    """The URL that a service's health check asks for."""
    (url,) = re.findall(r"http://[^']+", str(SERVICES[name]["healthcheck"]["test"][-1]))
    return urlsplit(str(url))


def option(name: str, flag: str, default: str = "") -> str:
    """What a service's command gives for a flag."""
    command = [str(part) for part in SERVICES[name]["command"]]
    return command[command.index(flag) + 1] if flag in command else default


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


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_ours_is_a_setting(name: str) -> None:
    known = {"EUCORA_ENV", *(f"EUCORA_{field.upper()}" for field in Settings.model_fields)}
    ours = {variable for variable in SERVICES[name]["environment"] if variable.startswith("EUCORA_")}
    assert ours <= known | CONNECTORS
    assert registry.PLANES_VARIABLE in known & ours


def test_what_a_person_must_choose_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{(\w+):?\?", (ROOT / "docker-compose.temporal.yml").read_text()))
    example = (ROOT / "deploy" / "env.example").read_text()
    assert wanted == set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert registry.PLANES_VARIABLE in wanted


def test_without_a_choice_there_is_no_plane_and_the_suggested_ones_can_be_built() -> None:
    given = environment("worker")
    assert registry.configured_planes(given) == {}
    (suggested,) = re.findall(r"set it to (\S+)", (ROOT / "deploy" / "env.example").read_text())
    planes = registry.configured_planes({**given, registry.PLANES_VARIABLE: suggested})
    command = SERVICES["fleet"]["command"]
    hosted = [command[index + 1] for index, part in enumerate(command) if part == "--plane"]
    assert ",".join(hosted) == given["EUCORA_FLEET_PLANES"]
    assert {spec.name for spec in parse_planes(hosted, devices=2000)} == set(planes)
    for plane in planes:
        assert SimSettings.from_environment(plane, given).url.port == int(option("fleet", "--port", "8700"))
    assert SERVICES["fleet"]["network_mode"] == "service:worker", "the fleet listens on its own loopback alone"


def test_the_api_is_probed_at_a_route_of_its_own_that_needs_no_caller() -> None:
    url = probed("api")
    assert str(url.port) == option("api", "--port")
    routes = {f"{BASE}{route.path}" for noun in NOUNS for route in noun.router.routes if isinstance(route, Route)}
    assert url.path in routes & {f"{BASE}/health/live", f"{BASE}/health/ready"}


async def test_the_worker_is_probed_at_a_path_that_it_answers() -> None:
    url = probed("worker")
    assert str(url.port) == option("worker", "--health-port")
    port = choose({"health": 0}, say=lambda _: None)["health"]

    async def well() -> bool:
        return True

    temporal: Any = SimpleNamespace(service_client=SimpleNamespace(check_health=well))
    async with serve_health("127.0.0.1", port, client=temporal, running=lambda: True), httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}{url.path}")).status_code == 200


async def test_the_fleet_is_probed_at_a_path_that_it_answers() -> None:
    app = create_fleet(parse_planes(["a=keyed"], devices=1), seed=1, data=":memory:")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        assert (await client.get(probed("fleet").geturl())).status_code == 200


def test_every_file_that_is_mounted_exists_and_is_named_where_it_is_read() -> None:
    for name, service in SERVICES.items():
        for source, target, *_ in (volume.split(":") for volume in service.get("volumes", [])):
            assert not source.startswith("./") or (ROOT / source).is_file(), f"{name} mounts {source}"
            named = str(service.get("environment", {}))
            assert name not in OURS or not source.startswith("./") or target in named
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES["api"]["volumes"]}
    assert load_trusted_signers(ROOT / mounted[environment("api")["EUCORA_TRUSTED_SIGNERS_FILE"]]).signers == {}


def test_temporal_tells_of_stuck_workflows_as_the_local_server_does() -> None:
    temporal = SERVICES["temporal"]
    (volume,) = temporal["volumes"]
    source, target, mode = volume.split(":")
    assert (target, mode) == (temporal["environment"]["DYNAMIC_CONFIG_FILE_PATH"], "ro")
    configured = {key: entry["value"] for key, (entry,) in yaml.safe_load((ROOT / source).read_text()).items()}
    # Skipping time is for tests alone.
    assert configured == {key: value for key, value in DYNAMIC_CONFIG.items() if "TimeSkipping" not in key}
