"""Logs and metrics: what an operator sees, and what must never be seen.

A log line is an event with stable keys, one JSON object a line, in UTC. Lines of the standard library's ``logging``
(uvicorn, the Temporal SDK, Alembic) take the same road, so every line is redacted: values under a telling key, bearer
tokens, passwords in URLs, private keys, in nested values and in the text of exceptions alike.

``correlation_id``, ``deployment_id`` and ``actor`` travel in context variables and appear on every line written while
they are bound. Metrics live in one :class:`Metrics` a process; the Temporal SDK serves its own beside them.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Final, TextIO
from uuid import UUID

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = [
    "REDACTED",
    "Metrics",
    "bind_context",
    "configure_logging",
    "context",
    "correlation_id",
    "redact",
    "redact_text",
]

REDACTED: Final = "[redacted]"
MAX_TEXT: Final = 16_384  # characters of one value kept on a line
MAX_DEPTH: Final = 12  # levels of nesting kept on a line
CONTEXT_KEYS: Final = ("correlation_id", "deployment_id", "actor")

_TELLING_KEY = re.compile(
    r"pass(?:word|wd|phrase|code)|pwd|token|secret|apikey|authkey|privatekey|credential|authorization|cookie|connectionstring"
)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")

# A telling name, then `=` or `:`, then a value that may be quoted, or quoted within a quoted text.
_NAMED_VALUE = re.compile(
    r"""(?P<name>(?:pass(?:word|wd|phrase|code)|pwd|token|secret|api[ _-]?key|auth[ _-]?key|private[ _-]?key
        |credential|authorization|cookie|connection[ _-]?string)[\w-]{0,40}\\*["']?\s{0,4}[:=]\s{0,4})
        (?:(?:basic|bearer|digest|negotiate)\s+)?
        (?: \\+"(?:(?!\\+").)*\\+" | "(?:\\.|[^"\\])*"? | '(?:\\.|[^'\\])*'? | [^\s,;&}\])]+ )""",
    re.IGNORECASE | re.VERBOSE,
)
_BEARER = re.compile(r"\b(bearer)\s+[\w.~+/=-]+", re.IGNORECASE)
_JSON_WEB_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s/?#]+@")
_SAS_SIGNATURE = re.compile(r"([?&](?:sig|signature)=)[^&\s\"']+", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def redact_text(text: str) -> str:
    """``text`` without the secrets that can be recognised by their form or by the name before them.

    Texts over 16 384 characters are cut first, so the cost of a line is bounded.
    """
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}… ({len(text)} characters)"
    text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _JSON_WEB_TOKEN.sub(REDACTED, text)
    text = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", text)
    text = _SAS_SIGNATURE.sub(rf"\1{REDACTED}", text)
    return _NAMED_VALUE.sub(rf"\g<name>{REDACTED}", text)


def redact(value: object) -> object:
    """A copy of ``value`` fit for a log: secrets replaced, at any depth; what is no plain data becomes redacted text.

    Mappings keep their keys; a value under a telling key (password, token, secret, API key ...) is replaced whole,
    unless it is None or a boolean, which tell nothing.
    """
    return _redact(value, depth=0)


def _redact(value: object, *, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float | Decimal | datetime | date | time | timedelta | UUID):
        return value
    if isinstance(value, Enum):
        return _redact(value.value, depth=depth)
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, PurePath | BaseException):
        return redact_text(str(value))
    if isinstance(value, bytes | bytearray):
        return redact_text(bytes(value).decode("utf-8", errors="replace"))
    if depth >= MAX_DEPTH:
        return "…"
    return _redact_composite(value, depth=depth + 1)


def _redact_composite(value: object, *, depth: int) -> object:
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    elif is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _redact_entry(str(key), entry, depth=depth) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(entry, depth=depth) for entry in value]
    if isinstance(value, AbstractSet):
        return sorted((_redact(entry, depth=depth) for entry in value), key=repr)
    return redact_text(repr(value))


def _redact_entry(key: str, value: object, *, depth: int) -> object:
    if value is None or isinstance(value, bool):
        return value
    if _TELLING_KEY.search(_NOT_ALPHANUMERIC.sub("", key.lower())):
        return REDACTED
    return _redact(value, depth=depth)


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: _redact_entry(key, value, depth=0) for key, value in event.items()}


def configure_logging(*, level: str = "INFO", console: bool = False, stream: TextIO | None = None) -> None:
    """Send every log of this process, structlog's and the standard library's, to ``stream`` (stderr), redacted.

    One JSON object a line, or text for a person at a terminal if ``console``. Calling it again replaces the earlier
    configuration.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer(default=str, sort_keys=True)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):  # they bring handlers of their own
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def bind_context(
    *, correlation_id: str | None = None, deployment_id: str | None = None, actor: str | None = None
) -> None:
    """Put these on every line logged from here on in this task; None leaves a value as it is."""
    structlog.contextvars.bind_contextvars(**_given(correlation_id, deployment_id, actor))


@contextmanager
def context(
    *, correlation_id: str | None = None, deployment_id: str | None = None, actor: str | None = None
) -> Iterator[None]:
    """Put these on every line logged within the block, then restore what was there before."""
    with structlog.contextvars.bound_contextvars(**_given(correlation_id, deployment_id, actor)):
        yield


def correlation_id() -> str | None:
    """The correlation id bound in this task, to hand on with a call to another system."""
    value = structlog.contextvars.get_contextvars().get("correlation_id")
    return None if value is None else str(value)


def _given(correlation_id: str | None, deployment_id: str | None, actor: str | None) -> dict[str, str]:
    values = zip(CONTEXT_KEYS, (correlation_id, deployment_id, actor), strict=True)
    return {key: value for key, value in values if value is not None}


class Metrics:
    """The Prometheus metrics of one process, in a registry of its own: build one at start and hand it on.

    Labels are closed sets (route templates, operations, outcomes): never an id, a path or a name people choose.
    """

    def __init__(self, *, component: str, version: str) -> None:
        self.registry = CollectorRegistry()
        self._http_requests = Counter(
            "eucora_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._http_seconds = Histogram(
            "eucora_http_request_duration_seconds",
            "Seconds from the request's first byte to the answer's last.",
            ["method", "route"],
            registry=self.registry,
        )
        self._facts = Counter(
            "eucora_facts_recorded", "Facts appended to the record.", ["type"], registry=self.registry
        )
        self._operations = Counter(
            "eucora_plane_operations",
            "Attempts of activities on a plane, by outcome.",
            ["plane", "operation", "outcome"],
            registry=self.registry,
        )
        build = Gauge("eucora_build_info", "Always 1.", ["component", "version"], registry=self.registry)
        build.labels(component=component, version=version).set(1)

    def http_request(self, *, method: str, route: str, status: int, duration: timedelta) -> None:
        """Count one answered request; ``route`` is the template (``/deployments/{id}``), never the path."""
        self._http_requests.labels(method=method, route=route, status=str(status)).inc()
        self._http_seconds.labels(method=method, route=route).observe(duration.total_seconds())

    def fact_recorded(self, *, fact_type: str) -> None:
        """Count one fact appended to the record."""
        self._facts.labels(type=fact_type).inc()

    def plane_operation(self, *, plane: str, operation: str, outcome: str) -> None:
        """Count one attempt of a plane's activity; ``outcome``: ok, not_yet, cancelled, or the class of the error."""
        self._operations.labels(plane=plane, operation=operation, outcome=outcome).inc()

    def exposition(self) -> tuple[bytes, str]:
        """The body and content type that Prometheus scrapes."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
