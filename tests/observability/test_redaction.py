"""No secret reaches a log line: under a telling key, in a text, in a nested value, in an exception."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from eucora.observability import MAX_TEXT, REDACTED, configure_logging, context, correlation_id, redact, redact_text

SECRET = "hunter2-Zq9"
TELLING_NAMES = [
    "password", "PASSWORD", "db_password", "passwd", "passphrase", "token", "access_token", "refreshToken", "secret",
    "client_secret", "clientSecret", "api key", "api_key", "API-Key", "x-api-key", "apikey", "auth key", "auth_key",
    "private key", "private_key", "privateKey", "credential", "credentials", "authorization", "Authorization",
    "set-cookie", "connection_string",
]  # fmt: skip


@pytest.mark.parametrize("name", TELLING_NAMES)
def test_a_value_under_a_telling_key_is_replaced(name: str) -> None:
    assert redact({name: SECRET}) == {name: REDACTED}
    assert redact({name: {"inner": SECRET}}) == {name: REDACTED}
    assert redact({name: 12345}) == {name: REDACTED}


@pytest.mark.parametrize("name", TELLING_NAMES)
@pytest.mark.parametrize(
    "form",
    [
        "{name}={secret}",
        "{name}: {secret}",
        "{name} = '{secret}'",
        '{{"{name}": "{secret}"}}',
        "{{'{name}': '{secret}'}}",
        '{{\\"{name}\\": \\"{secret}\\"}}',
        "?{name}={secret}&page=2",
        "--{name}={secret}",
        "{name}:\t{secret}; next=1",
    ],
)
def test_a_value_named_in_a_text_is_replaced(name: str, form: str) -> None:
    text = redact_text("before " + form.format(name=name, secret=SECRET) + " after")
    assert SECRET not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("curl -H 'Authorization: Bearer abc.DEF-123_x=='", "abc.DEF-123_x"),
        ("Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("sent bearer  q1w2e3r4", "q1w2e3r4"),
        ("postgresql://eucora_app:s3cr3t-pw@127.0.0.1:5432/eucora failed", "s3cr3t-pw"),
        ("redis://:s3cr3t@cache/0", "s3cr3t"),
        ("id eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl end", "eyJzdWIiOiJhIn0"),
        ("https://x.blob.core.windows.net/a?sv=2024&sig=Zm9v%2FYmFy&se=1", "Zm9v%2FYmFy"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----", "MC4CAQAwBQYDK2Vw"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEcut off", "MIIEcut"),
        ('{"password": "with \\" a quote hunter2"}', "hunter2"),
        ('{"password": "two words"}', "two"),
        ("{'token': 'unterminated", "unterminated"),
    ],
)
def test_secrets_are_known_by_their_form(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact_text(text)
    assert REDACTED in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "ring PILOT promoted after 259200 s, 0 of 150 failed",
        "idempotency_key=deployment-1/LAB/sim/publish/1",
        "author: Ada, keyboard=qwerty",
        "https://example.org/a/b?page=2#top",
        "see mailto:someone@example.org",
        "the token expired and the password was wrong",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_nested_structures_are_searched_to_any_depth() -> None:
    value = {
        "devices": [{"id": 1, "headers": {"Authorization": SECRET}}],
        "pair": ("ok", f"token={SECRET}"),
        "bytes": f"password={SECRET}".encode(),
        "set": {f"secret={SECRET}"},
    }
    assert SECRET not in repr(redact(value))
    assert redact(value) == {
        "devices": [{"id": 1, "headers": {"Authorization": REDACTED}}],
        "pair": ["ok", f"token={REDACTED}"],
        "bytes": f"password={REDACTED}",
        "set": [f"secret={REDACTED}"],
    }


def test_values_that_tell_nothing_keep_their_type() -> None:
    when = datetime(2026, 11, 1, tzinfo=UTC)
    value = {"token": None, "has_password": True, "failed": 3, "at": when, "ratio": 0.5}
    assert redact(value) == value


def test_models_dataclasses_exceptions_and_unknown_objects_are_searched() -> None:
    class Login(BaseModel):
        user: str
        password: str
        key: SecretStr

    @dataclass
    class Call:
        url: str
        api_key: str

    class Opaque:
        def __repr__(self) -> str:
            return f"<Opaque token={SECRET}>"

    assert redact(Login(user="ada", password=SECRET, key=SecretStr(SECRET))) == {
        "user": "ada",
        "password": REDACTED,
        "key": "SecretStr('**********')",
    }
    assert redact(Call(url="/x", api_key=SECRET)) == {"url": "/x", "api_key": REDACTED}
    assert redact(ValueError(f"password: {SECRET}")) == f"password: {REDACTED}"
    assert redact(Opaque()) == f"<Opaque token={REDACTED}"
    assert redact(Path("/var/lib")) == "/var/lib"


def test_a_value_that_contains_itself_ends() -> None:
    loop: dict[str, object] = {"password": SECRET}
    loop["self"] = loop
    assert SECRET not in repr(redact(loop))


def test_the_length_of_a_text_is_bounded() -> None:
    text = redact_text("x" * (MAX_TEXT + 10_000))
    assert len(text) < MAX_TEXT + 100
    assert text.endswith(f"({MAX_TEXT + 10_000} characters)")


@given(
    secret=st.text(alphabet=st.characters(whitelist_categories=["Lu", "Ll", "Nd"]), min_size=12, max_size=40),
    name=st.sampled_from(TELLING_NAMES),
    around=st.text(max_size=40),
)
def test_no_surrounding_text_lets_a_quoted_secret_through(secret: str, name: str, around: str) -> None:
    text = f'{around} "{name}": "{secret}" {around}'
    if secret not in around and secret not in name:
        assert secret not in redact_text(text)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=4,
    )
)
def test_any_data_gives_something_json_can_write(value: object) -> None:
    json.dumps(redact(value))


# -- the log itself --------------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The JSON log of a freshly configured process."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(stream=stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_stable_keys(lines: io.StringIO) -> None:
    structlog.get_logger("eucora.test").info("ring.promoted", ring="PILOT", failed=0)
    (line,) = read(lines)
    assert datetime.fromisoformat(str(line.pop("timestamp"))).tzinfo is not None
    assert line == {"event": "ring.promoted", "level": "info", "logger": "eucora.test", "ring": "PILOT", "failed": 0}


def test_the_context_is_on_every_line_within_and_gone_after(lines: io.StringIO) -> None:
    log = structlog.get_logger()
    with context(correlation_id="c-1", deployment_id="d-1", actor="ada"):
        assert correlation_id() == "c-1"
        log.info("inside")
        logging.getLogger("uvicorn.error").warning("also inside")
    log.info("outside")
    first, second, third = read(lines)
    assert (first["correlation_id"], first["deployment_id"], first["actor"]) == ("c-1", "d-1", "ada")
    assert second["correlation_id"] == "c-1"
    assert "correlation_id" not in third
    assert correlation_id() is None


def test_the_text_of_an_exception_is_redacted(lines: io.StringIO) -> None:
    def connect() -> None:
        raise ConnectionError(f"cannot reach postgresql://app:{SECRET}@db/x, Authorization: Bearer {SECRET}")

    try:
        connect()
    except ConnectionError:
        structlog.get_logger().exception("database.unreachable", password=SECRET)
    (line,) = read(lines)
    assert SECRET not in lines.getvalue()
    assert "ConnectionError" in str(line["exception"])
    assert line["password"] == REDACTED


def test_lines_of_the_standard_library_are_redacted_too(lines: io.StringIO) -> None:
    logging.getLogger("some.library").error("login failed: token=%s", SECRET, extra={"api_key": SECRET})
    (line,) = read(lines)
    assert SECRET not in lines.getvalue()
    assert line["event"] == f"login failed: token={REDACTED}"
    assert line["api_key"] == REDACTED


def test_levels_below_the_configured_one_are_not_written(lines: io.StringIO) -> None:
    structlog.get_logger().debug("noise")
    logging.getLogger("x").debug("noise")
    assert read(lines) == []


def test_console_lines_are_redacted_as_well(lines: io.StringIO) -> None:
    configure_logging(console=True, stream=lines)
    structlog.get_logger().info("signed in", token=SECRET, actor="ada")
    assert SECRET not in lines.getvalue()
    assert "ada" in lines.getvalue()
