"""What a process tells machines about itself, on a port of its own, on loopback unless told otherwise.

A worker answers ``/live`` and ``/ready`` with one word each (``domain.md`` §9), and ``/metrics`` with what it has
counted. The API has routes for the first two, and serves the last alone (``domain.md`` §10).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from temporalio.client import Client

from eucora.observability import Metrics

__all__ = ["serve_health", "serve_metrics"]

REQUEST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain"


_Pages = Mapping[str, Callable[[], Awaitable[_Answer]]]
_UNKNOWN = _Answer(b"unknown", HTTPStatus.NOT_FOUND)


@asynccontextmanager
async def serve_health(
    host: str, port: int, *, client: Client, running: Callable[[], bool], metrics: Metrics | None = None
) -> AsyncIterator[None]:
    """Serve while the body runs. Ready means: the workers poll and Temporal answers. Port 0 serves nothing."""

    async def live() -> _Answer:
        return _Answer(b"live")

    async def ready() -> _Answer:
        try:
            is_ready = running() and await client.service_client.check_health()
        except Exception:  # noqa: BLE001 - any failure to ask means: not ready
            is_ready = False
        return _Answer(b"ready") if is_ready else _Answer(b"starting", HTTPStatus.SERVICE_UNAVAILABLE)

    counted = {} if metrics is None else _metrics_page(metrics)
    async with _serve(host, port, {"/live": live, "/ready": ready, **counted}):
        yield


@asynccontextmanager
async def serve_metrics(host: str, port: int, metrics: Metrics) -> AsyncIterator[None]:
    """Serve ``/metrics`` alone while the body runs. Port 0 serves nothing."""
    async with _serve(host, port, _metrics_page(metrics)):
        yield


def _metrics_page(metrics: Metrics) -> _Pages:
    async def exposition() -> _Answer:
        body, content_type = metrics.exposition()
        return _Answer(body, content_type=content_type)

    return {"/metrics": exposition}


@asynccontextmanager
async def _serve(host: str, port: int, pages: _Pages) -> AsyncIterator[None]:
    if port == 0:
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # To the end of the head: closing on unread bytes would reset the connection under the answer.
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
            path = [*request.decode("latin-1").split(" "), "", ""][1]
            page = pages.get(path)
            found = _UNKNOWN if page is None else await page()
            head = f"HTTP/1.1 {found.status.value} {found.status.phrase}\r\nContent-Type: {found.content_type}\r\n"
            writer.write(f"{head}Content-Length: {len(found.body)}\r\nConnection: close\r\n\r\n".encode() + found.body)
            await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a probe that went away, or is none, needs no answer
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, port)
    async with server:
        yield
