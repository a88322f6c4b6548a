"""A worker's health endpoint: ``/live`` and ``/ready``, one word each (``domain.md`` §9), on loopback unless told
otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from temporalio.client import Client

__all__ = ["serve_health"]

REQUEST_SECONDS = 5.0


@asynccontextmanager
async def serve_health(host: str, port: int, *, client: Client, running: Callable[[], bool]) -> AsyncIterator[None]:
    """Serve while the body runs. Ready means: the workers poll and Temporal answers. Port 0 serves nothing."""
    if port == 0:
        yield
        return

    async def ready() -> bool:
        try:
            return running() and await client.service_client.check_health()
        except Exception:  # noqa: BLE001 - any failure to ask means: not ready
            return False

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # To the end of the head: closing on unread bytes would reset the connection under the answer.
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
            path = [*request.decode("latin-1").split(" "), "", ""][1]
            if path == "/live":
                status, word = HTTPStatus.OK, "live"
            elif path == "/ready":
                status, word = (
                    (HTTPStatus.OK, "ready") if await ready() else (HTTPStatus.SERVICE_UNAVAILABLE, "starting")
                )
            else:
                status, word = HTTPStatus.NOT_FOUND, "unknown"
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\n"
            writer.write(f"{head}Content-Length: {len(word)}\r\nConnection: close\r\n\r\n{word}".encode())
            await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a probe that went away, or is none, needs no answer
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, port)
    async with server:
        yield
