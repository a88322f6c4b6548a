"""Between Ansible's words and ours; pure. The words of a host's summary are those of AWX's ``job_host_summaries``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eucora.domain.devices import Device
from eucora.domain.errors import PlaneInvalid
from eucora.domain.vocabulary import SiteClass
from eucora.ports.plane import Package

__all__ = ["HostResult", "Outcome", "device", "host_variables", "of_event", "of_stats", "play_variables"]

APPLICATION_ACTION = "eucora_application"
ERROR_LENGTH = 500
PATTERN_START = ("!", "&", "~", "@", "-")
PATTERN_CHARACTERS = frozenset("*?[],{} \t\n")


class Outcome(StrEnum):
    """How one host came out of one play."""

    OK = "ok"
    """It is as it should be, and was before."""
    CHANGED = "changed"
    """It is as it should be, because this play changed it."""
    FAILED = "failed"
    """It answered, and could not be brought to the state: a finished attempt."""
    UNREACHABLE = "unreachable"
    """It did not answer (AWX: ``dark``): silence, neither success nor an attempt."""
    NO_RESULT = "no_result"
    """The play ended without a word on it: silence as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """One host's outcome of one play. ``carries`` is set by a detection alone."""

    host: str
    outcome: Outcome
    error: str | None = None
    carries: bool | None = None


def of_stats(host: str, stats: Mapping[str, Mapping[str, int]] | None) -> HostResult:
    """Map a host's summary: ``dark`` wins over ``failures``, those over ``changed``, that over ``ok``.

    ``stats`` is ansible-runner's: a mapping from the word to counts by host; None when the play never got that far.
    """
    counts = {word: (stats or {}).get(word, {}).get(host, 0) for word in ("dark", "failures", "changed", "ok")}
    if counts["dark"]:
        return HostResult(host=host, outcome=Outcome.UNREACHABLE, error="The host could not be reached.")
    if counts["failures"]:
        return HostResult(host=host, outcome=Outcome.FAILED, error="A task failed.")
    if counts["changed"]:
        return HostResult(host=host, outcome=Outcome.CHANGED)
    if counts["ok"]:
        return HostResult(host=host, outcome=Outcome.OK)
    return HostResult(host=host, outcome=Outcome.NO_RESULT, error="The play ended without a result for the host.")


def of_event(event: Mapping[str, Any]) -> HostResult | None:
    """Map a runner event to its host's outcome; None when the event decides nothing yet.

    A failure of any task decides, as does success of the application's task, which is the last one of every playbook.
    """
    data = event.get("event_data") or {}
    host = data.get("host")
    if not isinstance(host, str):
        return None
    result = data.get("res") or {}
    match event.get("event"):
        case "runner_on_unreachable":
            return HostResult(host=host, outcome=Outcome.UNREACHABLE, error=_sentence(result, "unreachable"))
        case "runner_on_failed" if not data.get("ignore_errors"):
            return HostResult(host=host, outcome=Outcome.FAILED, error=_sentence(result, "a task failed"))
        case "runner_on_ok" if data.get("task_action") == APPLICATION_ACTION:
            changed = bool(result.get("changed"))
            carries = result.get("carries")
            return HostResult(
                host=host,
                outcome=Outcome.CHANGED if changed else Outcome.OK,
                carries=carries if isinstance(carries, bool) else None,
            )
        case _:
            return None


def _sentence(result: Mapping[str, Any], otherwise: str) -> str:
    return str(result.get("msg") or otherwise).strip()[:ERROR_LENGTH]


def host_variables(inventory: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    variables: Mapping[str, Any] = inventory.get("_meta", {}).get("hostvars", {}).get(host, {})
    return variables


def device(inventory: Mapping[str, Any], host: str, groups: tuple[str, ...]) -> Device:
    """Map a host of ``ansible-inventory --list`` to a device.

    Host variables read: ``site`` (default ``unknown``), ``site_class`` (default ``online``), ``eucora_name``,
    ``critical_infrastructure``. Raises ``PlaneInvalid`` for a host name that is a pattern and for a variable that is of
    another form.
    """
    if host.startswith(PATTERN_START) or PATTERN_CHARACTERS & set(host):
        raise PlaneInvalid(f"Host name {host!r} reads as a pattern of hosts; rename it.", code="host_name_is_a_pattern")
    variables = host_variables(inventory, host)
    site = str(variables.get("site", "unknown"))
    if "{{" in site:
        raise PlaneInvalid(f"The site of host {host!r} is a template; give a plain value.", code="invalid_inventory")
    try:
        site_class = SiteClass(variables.get("site_class", SiteClass.ONLINE))
    except ValueError:
        known = ", ".join(SiteClass)
        raise PlaneInvalid(
            f"Host {host!r} has site_class {variables['site_class']!r}; use one of {known}.", code="invalid_inventory"
        ) from None
    return Device(
        id=host,
        name=str(variables.get("eucora_name", host)),
        site=site,
        site_class=site_class,
        groups=groups,
        critical_infrastructure=variables.get("critical_infrastructure") is True,
    )


def play_variables(
    package: Package, *, artifact: str, interpreter: str, host_timeout: int, job_id: str, correlation_id: str
) -> dict[str, str | int]:
    """The extra variables of every playbook. ``artifact`` is the path of the content on the controller."""
    return {
        "eucora_application": package.application,
        "eucora_version": package.version,
        "eucora_artifact": artifact,
        "eucora_artifact_sha256": package.artifact_sha256,
        "eucora_environment_command": package.settings.get("environment_command", ""),
        "eucora_install_command": package.install_command,
        "eucora_uninstall_command": package.uninstall_command,
        "eucora_detect_command": package.detection.get("command", ""),
        "eucora_interpreter": interpreter,
        "eucora_host_timeout": host_timeout,
        "eucora_job_id": job_id,
        "eucora_correlation_id": correlation_id,
    }
