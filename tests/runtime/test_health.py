"""The worker's probe: one word, whatever is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from eucora.runtime.health import serve_health
from eucora.stack.ports import choose


class Temporal:
    """Stands in for the client's connection: says what the test wants."""

    def __init__(self) -> None:
        self.answer: bool | Exception = True
        self.service_client = self

    async def check_health(self) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@asynccontextmanager
async def served(temporal: Any, running: Callable[[], bool] = lambda: True) -> AsyncIterator[int]:
    port = choose({"health": 0}, say=lambda _: None)["health"]
    async with serve_health("127.0.0.1", port, client=temporal, running=running):
        yield port


async def ask(port: int, request: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def get(port: int, path: str) -> tuple[int, str]:
    answer = await ask(port, f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n".encode())
    head, _, word = answer.partition("\r\n\r\n")
    assert f"Content-Length: {len(word)}" in head
    return int(head.split(" ")[1]), word


async def test_live_as_long_as_it_answers() -> None:
    temporal = Temporal()
    async with served(temporal, running=lambda: False) as port:
        temporal.answer = False
        assert await get(port, "/live") == (200, "live")


async def test_ready_when_the_workers_poll_and_temporal_answers() -> None:
    temporal, polls = Temporal(), SimpleNamespace(running=True)
    async with served(temporal, running=lambda: polls.running) as port:
        assert await get(port, "/ready") == (200, "ready")
        for answer in (False, RuntimeError("connection lost")):
            temporal.answer = answer
            assert await get(port, "/ready") == (503, "starting")
        temporal.answer, polls.running = True, False
        assert await get(port, "/ready") == (503, "starting")


async def test_other_paths_are_unknown() -> None:
    async with served(Temporal()) as port:
        assert await get(port, "/metrics") == (404, "unknown")


@pytest.mark.parametrize("request_", [b"", b"\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"GET /" + b"x" * 200_000])
async def test_what_is_no_request_does_no_harm(request_: bytes) -> None:
    async with served(Temporal()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_)
        if writer.can_write_eof():
            writer.write_eof()
        with suppress(ConnectionError):  # hung up on
            await reader.read()
        writer.close()
        assert await get(port, "/live") == (200, "live")


async def test_port_zero_serves_nothing() -> None:
    async with serve_health("127.0.0.1", 0, client=Temporal(), running=lambda: True):  # type: ignore[arg-type]
        pass
