"""The API against its own description: whatever schemathesis sends, answers are described, and none is a bug.

Served over HTTP by uvicorn on this machine, on a database of its own, to somebody who holds every role; Temporal is
away.
Examples are bounded and derived from the code under test, so that a run can be repeated.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import CheckContext
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from eucora.domain.vocabulary import Role
from eucora.identity.development import DevelopmentIdentity
from eucora.identity.principal import Principal
from tests.api.service import development_settings, unreachable_engine

Case = schemathesis.Case[Any]
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
EVERYBODY = Principal(actor="everybody", name="Everybody", roles=tuple(role for role in Role if role != "system"))


class Served(uvicorn.Server):
    """A server in a thread that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@dataclass(frozen=True)
class Api:
    """Where the API is served, and who calls."""

    url: str
    token: str


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Api]:
    settings = development_settings(tmp_path_factory.mktemp("api"), module_database_url, temporal_wait_seconds=0.2)
    identity = DevelopmentIdentity(settings)
    identity._people[EVERYBODY.actor] = EVERYBODY
    app = create_app(settings, identity=identity, client=asyncio.run(unreachable_engine()))
    listener = socket.create_server(("127.0.0.1", 0))
    server = Served(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert server.listening.wait(30)
    yield Api(f"http://127.0.0.1:{listener.getsockname()[1]}", identity.sign_in(EVERYBODY.actor).token)
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()
    listener.close()


@schemathesis.check
def no_bug(_context: CheckContext, response: Response, _case: Case) -> None:
    """A part that is away is no bug (503); everything else from 500 on is one."""
    if response.status_code != 503:
        assert response.status_code < 500, response.text


@pytest.mark.timeout(300)
def test_every_answer_is_described_and_none_is_a_bug(api: Api) -> None:
    described = schemathesis.openapi.from_url(f"{api.url}/api/schema")
    results = list(described.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)
    assert len(operations) > 30
    for operation in operations:
        _probe(api, operation)


def _probe(api: Api, operation: Operation) -> None:
    """Send what fits the description, and what does not, to one operation."""
    kinds = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    cases = st.one_of(*(operation.as_strategy(generation_mode=kind) for kind in kinds))

    @given(cases)
    @examples(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def conforms(case: Case) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {api.token}"},
            checks=[no_bug, status_code_conformance, content_type_conformance, response_schema_conformance],
            excluded_checks=[not_a_server_error],
        )

    conforms()
