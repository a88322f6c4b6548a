"""Bearer tokens of Entra ID: what holds, what does not, and what happens when Entra is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from eucora.domain.errors import Unavailable
from eucora.domain.plan import Scope
from eucora.domain.vocabulary import Role
from eucora.identity.entra import EntraIdentity
from eucora.identity.principal import TokenInvalid
from eucora.settings import Environment, MissingSetting, Settings

ISSUER = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
KEYS = "https://login.microsoftonline.com/contoso.example/discovery/v2.0/keys"
SETTINGS = Settings(
    environment=Environment.PRODUCTION,
    entra_tenant="contoso.example",
    entra_client_id="app",
    entra_audience="api://eucora",
)


def published(key: RSAPrivateKey, key_id: str) -> dict[str, Any]:
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}


class Entra:
    """The tenant as HTTP sees it: discovery and keys, and a count of the visits."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self.keys = [published(key, "one")]
        self.visits = 0
        self.down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.visits += 1
        if self.down:
            return httpx.Response(503)
        if request.url.path == "/contoso.example/v2.0/.well-known/openid-configuration":
            return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": KEYS})
        if str(request.url) == KEYS:
            return httpx.Response(200, json={"keys": self.keys})
        return httpx.Response(404)


class Clock:
    """A clock that runs with the machine's, moved by what a test adds."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def entra(key: RSAPrivateKey) -> Entra:
    return Entra(key)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def identity(entra: Entra, clock: Clock) -> AsyncIterator[EntraIdentity]:
    client = httpx.AsyncClient(transport=httpx.MockTransport(entra))
    provider = EntraIdentity(SETTINGS, client=client, clock=clock)
    yield provider
    await provider.aclose()


def token(key: RSAPrivateKey, *, key_id: str = "one", algorithm: str = "RS256", **changes: Any) -> str:
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "api://eucora",
        "oid": "0a0a0a0a-0000-4000-8000-00000000000a",
        "preferred_username": "anna@contoso.example",
        "roles": ["cab_member"],
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(hours=1),
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id})


async def test_a_valid_token_gives_the_object_id_roles_and_scope(identity: EntraIdentity, key: RSAPrivateKey) -> None:
    roles = ["publisher", "cab_member", "somebody_elses_role", "scope:retail/acme/store-7"]
    principal = await identity.authenticate(token(key, roles=roles))
    assert principal.actor == "0a0a0a0a-0000-4000-8000-00000000000a"
    assert principal.name == "anna@contoso.example"
    assert set(principal.roles) == {Role.PUBLISHER, Role.CAB_MEMBER}
    assert principal.scope == Scope(business_unit="retail", acquisition_boundary="acme", site="store-7")


async def test_nobody_is_the_system(identity: EntraIdentity, key: RSAPrivateKey) -> None:
    assert (await identity.authenticate(token(key, roles=["system"]))).roles == ()


@pytest.mark.parametrize(("granted", "unit"), [("scope:retail", "retail"), ("scope:", "")])
async def test_a_scope_may_leave_parts_out(
    identity: EntraIdentity, key: RSAPrivateKey, granted: str, unit: str
) -> None:
    assert (await identity.authenticate(token(key, roles=[granted]))).scope == Scope(business_unit=unit)


BAD: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "api://other"},
    "another issuer": {"iss": "https://login.microsoftonline.com/evil/v2.0"},
    "the end passed": {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
    "not yet": {"nbf": datetime(2999, 1, 1, tzinfo=UTC)},
    "no end": {"exp": None},
    "nobody": {"oid": None},
    "roles that are no list": {"roles": "cab_member"},
    "two scopes": {"roles": ["scope:a", "scope:b"]},
    "a scope too deep": {"roles": ["scope:a/b/c/d"]},
}


@pytest.mark.parametrize("case", BAD)
async def test_a_token_with_other_claims_does_not_hold(identity: EntraIdentity, key: RSAPrivateKey, case: str) -> None:
    with pytest.raises(TokenInvalid):
        await identity.authenticate(token(key, **BAD[case]))


async def test_a_token_signed_by_somebody_else_does_not_hold(identity: EntraIdentity) -> None:
    with pytest.raises(TokenInvalid):
        await identity.authenticate(token(generate_private_key(65537, 2048)))


async def test_only_rs256_is_believed(identity: EntraIdentity, key: RSAPrivateKey, entra: Entra) -> None:
    symmetric = jwt.encode({"oid": "x"}, "y" * 40, algorithm="HS256", headers={"kid": "one"})
    for forged in (token(key, algorithm="PS256"), symmetric, "garbage"):
        with pytest.raises(TokenInvalid):
            await identity.authenticate(forged)
    assert entra.visits == 0, "a token of the wrong form must not make us knock at Entra's door"


async def test_keys_are_fetched_once(identity: EntraIdentity, key: RSAPrivateKey, entra: Entra) -> None:
    for _ in range(3):
        await identity.authenticate(token(key))
    assert entra.visits == 2


async def test_a_new_key_is_found_but_strangers_do_not_make_us_ask_again_and_again(
    identity: EntraIdentity, key: RSAPrivateKey, entra: Entra, clock: Clock
) -> None:
    await identity.authenticate(token(key))
    new = generate_private_key(65537, 2048)
    entra.keys.append(published(new, "two"))
    with pytest.raises(TokenInvalid):
        await identity.authenticate(token(new, key_id="two"))
    assert entra.visits == 2
    clock.moved += timedelta(minutes=5)
    await identity.authenticate(token(new, key_id="two"))
    assert entra.visits == 4


async def test_while_entra_is_away_known_keys_go_on_and_unknown_ones_must_wait(
    identity: EntraIdentity, key: RSAPrivateKey, entra: Entra, clock: Clock
) -> None:
    await identity.authenticate(token(key))
    entra.down = True
    clock.moved += timedelta(days=1)
    await identity.authenticate(token(key, exp=datetime.now(UTC) + timedelta(days=2)))
    with pytest.raises(Unavailable) as refusal:
        await identity.authenticate(token(key, key_id="two"))
    assert refusal.value.code == "identity_provider_unavailable"
    assert entra.visits == 3, "one visit failed; for ten seconds nobody else waits for another"
    entra.down = False
    clock.moved += timedelta(seconds=10)
    await identity.authenticate(token(key))
    assert entra.visits == 5


@pytest.mark.parametrize("missing", ["entra_tenant", "entra_audience"])
def test_it_cannot_be_built_without_its_settings(missing: str) -> None:
    with pytest.raises(MissingSetting):
        EntraIdentity(SETTINGS.model_copy(update={missing: None}))
