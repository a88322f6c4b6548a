"""Ansible's words in ours: host summaries, events, hosts and groups."""

from __future__ import annotations

from typing import Any

import pytest

from eucora.connectors.ansible import translate
from eucora.connectors.ansible.inventory import parse
from eucora.connectors.ansible.translate import Outcome
from eucora.domain.errors import PlaneInvalid, PlaneNotFound
from eucora.domain.vocabulary import SiteClass


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (("ok",), Outcome.OK),
        (("ok", "skipped", "processed"), Outcome.OK),
        (("ok", "changed", "processed"), Outcome.CHANGED),
        (("ok", "changed", "failures"), Outcome.FAILED),
        (("failures", "dark"), Outcome.UNREACHABLE),
        (("ok", "changed", "dark"), Outcome.UNREACHABLE),
        (("skipped", "processed"), Outcome.NO_RESULT),
        ((), Outcome.NO_RESULT),
    ],
)
def test_a_host_summary_is_one_outcome(words: tuple[str, ...], outcome: Outcome) -> None:
    stats = {word: {"web": 1, "other": 0} for word in words} | {"rescued": {}, "ignored": {}}
    result = translate.of_stats("web", stats)
    assert result.outcome is outcome
    assert (result.error is None) == (outcome in {Outcome.OK, Outcome.CHANGED})


def test_a_play_that_never_got_to_a_summary_has_no_result() -> None:
    assert translate.of_stats("web", None).outcome is Outcome.NO_RESULT


def event(name: str, *, action: str = "eucora_application", **data: Any) -> dict[str, Any]:
    return {"event": name, "event_data": {"host": "web", "task_action": action, **data}}


@pytest.mark.parametrize(
    ("happened", "outcome", "error"),
    [
        (event("runner_on_ok", res={"changed": True, "carries": True}), Outcome.CHANGED, None),
        (event("runner_on_ok", res={"changed": False}), Outcome.OK, None),
        (event("runner_on_failed", res={"msg": " no space left "}), Outcome.FAILED, "no space left"),
        (event("runner_on_failed", action="ansible.builtin.copy", res={}), Outcome.FAILED, "a task failed"),
        (event("runner_on_unreachable", res={"msg": "no route"}), Outcome.UNREACHABLE, "no route"),
    ],
)
def test_an_event_that_decides(happened: dict[str, Any], outcome: Outcome, error: str | None) -> None:
    result = translate.of_event(happened)
    assert result is not None
    assert (result.host, result.outcome, result.error) == ("web", outcome, error)


@pytest.mark.parametrize(
    "happened",
    [
        event("runner_on_start"),
        event("runner_on_ok", action="ansible.builtin.copy", res={"changed": True}),
        event("runner_on_failed", ignore_errors=True, res={"msg": "does not matter"}),
        event("runner_on_skipped"),
        {"event": "playbook_on_stats", "event_data": {"ok": {"web": 1}}},
        {"event": "verbose"},
    ],
)
def test_an_event_that_decides_nothing(happened: dict[str, Any]) -> None:
    assert translate.of_event(happened) is None


def test_a_detection_says_whether_the_host_carries_the_version() -> None:
    result = translate.of_event(event("runner_on_ok", res={"changed": False, "carries": False}))
    assert result is not None
    assert result.carries is False


def test_long_errors_are_cut() -> None:
    result = translate.of_event(event("runner_on_failed", res={"msg": "x" * 10_000}))
    assert result is not None
    assert len(result.error or "") == translate.ERROR_LENGTH


def listing(**hostvars: dict[str, Any]) -> dict[str, Any]:
    """As ``ansible-inventory --list`` prints it: a group of groups, and a host in two groups."""
    return {
        "_meta": {"hostvars": hostvars},
        "all": {"children": ["ungrouped", "rings", "servers"]},
        "rings": {"children": ["canary", "lab"]},
        "lab": {"hosts": ["web"]},
        "canary": {"hosts": ["db-2", "db-1"]},
        "servers": {"hosts": ["db-1", "web"]},
    }


def test_groups_hold_the_hosts_of_their_groups_in_order() -> None:
    found = parse(listing())
    assert found.members("rings") == ("db-1", "db-2", "web")
    assert found.members("canary") == ("db-1", "db-2")
    assert found.members("all") == ("db-1", "db-2", "web")
    assert found.hosts["db-1"].groups == ("canary", "rings", "servers")
    with pytest.raises(PlaneNotFound):
        found.members("pilot")


def test_groups_that_contain_each_other_end() -> None:
    assert parse({"a": {"children": ["b"], "hosts": ["x"]}, "b": {"children": ["a"], "hosts": ["y"]}}).members("a") == (
        "x",
        "y",
    )


def test_host_variables_describe_the_device() -> None:
    variables = {"site": "harbour", "site_class": "air_gapped", "eucora_name": "Crane", "critical_infrastructure": True}
    device = parse(listing(web=variables)).hosts["web"]
    assert (device.name, device.site, device.site_class) == ("Crane", "harbour", SiteClass.AIR_GAPPED)
    assert device.critical_infrastructure


def test_a_host_without_variables_has_the_strictest_site_class() -> None:
    device = parse(listing()).hosts["web"]
    assert (device.name, device.site, device.site_class) == ("web", "unknown", SiteClass.ONLINE)
    assert not device.critical_infrastructure


@pytest.mark.parametrize("variables", [{"site_class": "sometimes"}, {"site": "{{ region }}"}])
def test_a_variable_of_another_form_is_refused(variables: dict[str, str]) -> None:
    with pytest.raises(PlaneInvalid, match="'web'") as caught:
        parse(listing(web=variables))
    assert caught.value.code == "invalid_inventory"


@pytest.mark.parametrize("name", ["web*", "!web", "~web.*", "web,db", "@hosts", "web[1]", "a b"])
def test_a_host_whose_name_would_be_read_as_a_pattern_is_refused(name: str) -> None:
    with pytest.raises(PlaneInvalid) as caught:
        parse({"lab": {"hosts": [name]}})
    assert caught.value.code == "host_name_is_a_pattern"
