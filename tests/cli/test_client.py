"""The API's client: problems become sentences, a 503 is waited out, a token is renewed once."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from eucora.cli.client import ApiClient
from eucora.cli.errors import ApiRefused, ApiUnreachable, NotSignedIn
from eucora.cli.session import Session, TokenCache

PROBLEM = {
    "type": "urn:eucora:problem:unknown_ring",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "'MARS' is no ring.",
    "code": "unknown_ring",
    "field": "rings.MARS",
    "correlation_id": "c-1",
    "errors": [
        {"code": "unknown_ring", "field": "rings.MARS", "detail": "'MARS' is no ring."},
        {"code": "cohort_empty", "field": "rings.LAB", "detail": "LAB is empty."},
    ],
}

Handler = Callable[[httpx.Request], httpx.Response]


def problem(status: int = 422, headers: dict[str, str] | None = None, **changes: object) -> httpx.Response:
    body = {**PROBLEM, "status": status, **changes}
    return httpx.Response(
        status, content=json.dumps(body), headers={"Content-Type": "application/problem+json", **(headers or {})}
    )


def client(handler: Handler, *, patience: float = 0.0, **options: object) -> ApiClient:
    return ApiClient("http://api.test", transport=httpx.MockTransport(handler), patience=patience, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are written down instead of waited; the clock moves by them."""
    pauses: list[float] = []
    monkeypatch.setattr("eucora.cli.client.time.sleep", pauses.append)
    monkeypatch.setattr("eucora.cli.client.time.monotonic", lambda: sum(pauses))
    return pauses


def test_a_problem_keeps_sentence_code_and_every_field() -> None:
    with pytest.raises(ApiRefused) as caught:
        client(lambda _request: problem()).get("/deployments")
    assert (caught.value.code, caught.value.field) == ("unknown_ring", "rings.MARS")
    assert caught.value.text == (
        "'MARS' is no ring. [unknown_ring, field rings.MARS]\n  rings.LAB: LAB is empty. [cohort_empty]"
    )
    assert caught.value.as_json()["error"]["correlation_id"] == "c-1"


def test_the_holder_of_a_change_is_named() -> None:
    with pytest.raises(ApiRefused, match="no ring") as caught:
        client(lambda _request: problem(409, holder="dep-7", errors=[])).get("/deployments")
    assert "held by dep-7" in caught.value.text


def test_an_answer_that_is_no_problem_is_told_as_what_it_is() -> None:
    with pytest.raises(ApiRefused) as caught:
        client(lambda _request: httpx.Response(502, text="<html>")).get("/deployments")
    assert caught.value.code == "answer_unreadable"
    assert "502 Bad Gateway" in caught.value.text


def test_a_503_is_tried_again_after_the_time_it_names(no_waiting: list[float]) -> None:
    answers = [
        problem(503, {"Retry-After": "3"}),
        problem(503, {"Retry-After": "2"}),
        httpx.Response(200, json={"a": 1}),
    ]
    assert client(lambda _request: answers.pop(0), patience=10).get("/health") == {"a": 1}
    assert no_waiting == [3.0, 2.0]


def test_patience_ends(no_waiting: list[float]) -> None:
    with pytest.raises(ApiRefused) as caught:
        client(lambda _request: problem(503, {"Retry-After": "4"}), patience=9).get("/health")
    assert caught.value.retry_after == 4.0
    assert no_waiting == [4.0, 4.0]


@pytest.mark.parametrize(("key", "calls"), [(None, 1), ("k-1", 3)])
def test_only_a_write_with_a_key_is_repeated_after_a_lost_answer(key: str | None, calls: int) -> None:
    seen: list[str | None] = []

    def lost(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Idempotency-Key"))
        raise httpx.ReadError("gone", request=request)

    with pytest.raises(ApiUnreachable, match="does not answer"):
        client(lost, patience=1.0).post("/deployments", {}, key=key)
    assert seen == [key] * calls


def test_lists_are_read_page_by_page_up_to_the_limit() -> None:
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        first = "cursor" not in request.url.params
        items = [1, 2] if first else [3]
        return httpx.Response(200, json={"items": items, "next_cursor": "next" if first else None})

    assert list(client(answer).pages("/deployments", {"state": None, "application": "a"}, limit=10)) == [1, 2, 3]
    assert asked == [{"application": "a", "limit": "10"}, {"application": "a", "limit": "8", "cursor": "next"}]


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(bytes(range(256)) * 100)

    def store(request: httpx.Request) -> httpx.Response:
        content = request.read()
        return httpx.Response(201, json={"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)})

    answer = client(store).upload("/evidence/artifacts/x", path)
    assert answer == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": 25600}


def test_a_download_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ApiRefused):
        client(lambda _request: problem(403)).download("/audit/export", tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_whole(tmp_path: Path) -> None:
    client(lambda _request: httpx.Response(200, content=b"x" * 10)).download("/audit/export", tmp_path / "export")
    assert (tmp_path / "export").read_bytes() == b"x" * 10


class Tokens:
    """A token source that gives a new one when the old one was refused."""

    def __init__(self) -> None:
        self.number = 1

    def __call__(self, refused: bool) -> str:
        self.number += refused
        return f"t{self.number}"


def test_a_refused_token_is_renewed_once() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json={}) if seen[-1] == "Bearer t2" else problem(401, code="token_expired")

    client(answer, token=Tokens()).get("/auth/me")
    assert seen == ["Bearer t1", "Bearer t2"]


def test_a_token_that_cannot_be_renewed_is_told() -> None:
    with pytest.raises(ApiRefused) as caught:
        client(lambda _request: problem(401, code="token_invalid"), token=lambda _refused: "fixed").get("/auth/me")
    assert caught.value.code == "token_invalid"


def test_tokens_are_cached_for_their_owner_alone(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path / "state" / "tokens.json")
    cache.keep("http://a", "ada", "secret", "2999-01-01T00:00:00Z")
    assert cache.path.stat().st_mode & 0o777 == 0o600
    session = Session(api="http://a", cache=cache, person="ada", token="other")
    assert session(False) == "secret"


def test_a_token_in_the_environment_wins_over_the_last_sign_in(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path / "tokens.json")
    cache.keep("http://a", "ada", "secret", "2999-01-01T00:00:00Z")
    cache.make_current("http://a", "ada")
    assert Session(api="http://a", cache=cache, token="given")(False) == "given"
    assert Session(api="http://a", cache=cache)(False) == "secret"


def test_nobody_signed_in_is_an_error_that_says_how(tmp_path: Path) -> None:
    with pytest.raises(NotSignedIn, match="eucora login"):
        Session(api="http://a", cache=TokenCache(tmp_path / "tokens.json"))(False)


def test_an_expired_or_unreadable_cache_counts_as_none(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path / "tokens.json")
    cache.keep("http://a", "ada", "secret", "2001-01-01T00:00:00Z")
    from datetime import UTC, datetime

    assert cache.token("http://a", "ada", at=datetime(2025, 1, 1, tzinfo=UTC)) is None
    cache.path.write_text("[", encoding="utf-8")
    assert cache.current("http://a") is None
