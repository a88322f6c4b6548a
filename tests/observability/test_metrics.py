"""Metrics live in a registry of their own and name what they count."""

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from eucora.observability import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, content_type = metrics.exposition()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_what_happened_is_counted_by_its_labels() -> None:
    metrics = Metrics(component="api", version="1.2.3")
    metrics.http_request(method="GET", route="/deployments/{id}", status=200, duration=timedelta(milliseconds=250))
    metrics.http_request(method="GET", route="/deployments/{id}", status=200, duration=timedelta(milliseconds=750))
    metrics.fact_recorded(fact_type="RingPromoted")
    metrics.plane_operation(plane="sim-mac", operation="publish", outcome="ok")
    found = samples(metrics)
    route = (("method", "GET"), ("route", "/deployments/{id}"))
    assert found["eucora_http_requests_total", (*route, ("status", "200"))] == 2
    assert found["eucora_http_request_duration_seconds_sum", route] == 1.0
    assert found["eucora_facts_recorded_total", (("type", "RingPromoted"),)] == 1
    operation = (("operation", "publish"), ("outcome", "ok"), ("plane", "sim-mac"))
    assert found["eucora_plane_operations_total", operation] == 1
    assert found["eucora_build_info", (("component", "api"), ("version", "1.2.3"))] == 1


def test_two_processes_worth_of_metrics_do_not_meet() -> None:
    one, other = (Metrics(component="worker", version="1") for _ in range(2))
    one.fact_recorded(fact_type="x")
    assert ("eucora_facts_recorded_total", (("type", "x"),)) not in samples(other)
