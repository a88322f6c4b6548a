"""The API's client: one place that knows addresses, tokens, problems and retries. Paths are below ``/api/v1``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
from pydantic import ValidationError

from eucora.cli.errors import ApiRefused, ApiUnreachable
from models.wire.problems import PROBLEM_MEDIA_TYPE, Problem

__all__ = ["BASE", "ApiClient", "TokenSource"]

BASE: Final = "/api/v1"
TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
PAGE: Final = 1000
CHUNK: Final = 1024 * 1024

TokenSource = Callable[[bool], str | None]
"""Gives the bearer token; called with True after the API refused the one before. None: call without."""


class ApiClient:
    """Calls the API as one person.

    Every method raises :class:`ApiRefused` for an answer that says no and :class:`ApiUnreachable` when none comes.
    A 503 is tried again after its ``Retry-After`` for ``patience`` seconds in all; so is a call that got no answer, if
    it may be repeated (reads, and writes with an idempotency key).
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource = lambda _refused: None,
        patience: float = 0.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._patience = patience
        self._http = httpx.Client(
            base_url=f"{self.url}{BASE}", timeout=TIMEOUT, trust_env=False, transport=transport, follow_redirects=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON value at ``path``; parameters that are None are left out."""
        kept = {name: value for name, value in (params or {}).items() if value is not None}
        return self._call("GET", path, params=kept, repeatable=True).json()

    def pages(self, path: str, params: Mapping[str, Any] | None = None, *, limit: int | None = None) -> Iterator[Any]:
        """The items of every page, or the first ``limit`` of them."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self.get(path, {**(params or {}), "cursor": cursor, "limit": size})
            yield from page["items"]
            cursor = page.get("next_cursor")
            left = None if left is None else left - len(page["items"])
            if cursor is None:
                return

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Post JSON; returns status and answer. ``key`` is the idempotency key of a call that creates."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self._call("POST", path, json=body, headers=headers, repeatable=key is not None)
        return answer.status_code, answer.json() if answer.content else None

    def upload(self, path: str, file: Path, *, media_type: str = "application/octet-stream") -> Any:
        """Put a file's bytes as they are to the address that its SHA-256 makes, so it may be repeated."""
        headers = {"Content-Type": media_type, "Content-Length": str(file.stat().st_size)}
        return self._call("PUT", path, file=file, headers=headers, repeatable=True).json()

    def download(self, path: str, target: Path, params: Mapping[str, Any] | None = None) -> None:
        """Write the answer's bytes to ``target``, which is replaced only when all have come."""
        partial = target.with_name(f".{target.name}.part")
        request = self._http.build_request("GET", path, params=params, headers=self._authorization(refused=False))
        try:
            answer = self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    answer.read()
                    raise _refused(answer)
                with partial.open("wb") as out:
                    for chunk in answer.iter_bytes(CHUNK):
                        out.write(chunk)
            finally:
                answer.close()
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        partial.replace(target)

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        file: Path | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
    ) -> httpx.Response:
        deadline = time.monotonic() + self._patience
        renewed = False
        while True:
            sent = {**(headers or {}), **self._authorization(refused=False)}
            pause: float
            try:
                answer = self._send(method, path, params=params, json=json, file=file, headers=sent)
            except httpx.TransportError as error:
                pause = 0.5
                if not repeatable or time.monotonic() + pause > deadline:
                    raise self._unreachable(error) from error
            else:
                if answer.is_success:
                    return answer
                problem = _refused(answer)
                if answer.status_code == HTTPStatus.UNAUTHORIZED and not renewed:
                    renewed = True
                    if self._authorization(refused=True) != self._authorization_of(sent):
                        continue
                pause = problem.retry_after or 1.0
                busy = answer.status_code in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
                if not busy or time.monotonic() + pause > deadline:
                    raise problem
            time.sleep(pause)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None,
        json: Any,
        file: Path | None,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        if file is None:
            return self._http.request(method, path, params=params, json=json, headers=headers)
        with file.open("rb") as content:
            return self._http.request(method, path, content=content, headers=headers)

    def _authorization(self, *, refused: bool) -> dict[str, str]:
        token = self._token(refused)
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    @staticmethod
    def _authorization_of(headers: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if name == "Authorization"}

    def _unreachable(self, error: Exception) -> ApiUnreachable:
        return ApiUnreachable(
            f"The API at {self.url} does not answer ({type(error).__name__}); start it with `eucora up`, "
            "or name it with --api or EUCORA_API_URL."
        )


def _refused(answer: httpx.Response) -> ApiRefused:
    """The problem in an answer that is no success."""
    header = answer.headers.get("Retry-After", "")
    retry_after = float(header) if header.isascii() and header.isdigit() else None
    if answer.headers.get("Content-Type", "").startswith(PROBLEM_MEDIA_TYPE):
        try:
            return ApiRefused(Problem.model_validate_json(answer.content), retry_after=retry_after)
        except ValidationError:
            pass  # said to be a problem and is none: told as what it is, below
    status = HTTPStatus(answer.status_code)
    return ApiRefused(
        Problem(
            type="urn:eucora:problem:answer_unreadable",
            title=status.phrase,
            status=answer.status_code,
            detail=f"{answer.request.url} answered {answer.status_code} {status.phrase} and did not say why.",
            code="answer_unreadable",
            correlation_id=answer.headers.get("X-Correlation-ID", ""),
        ),
        retry_after=retry_after,
    )
