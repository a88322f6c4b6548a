"""The development identity provider: several people a role, tokens that hold, and no life outside of development."""

from __future__ import annotations

import asyncio
import stat
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from eucora.domain.vocabulary import Role
from eucora.identity.development import (
    PEOPLE,
    DevelopmentIdentity,
    NotLoopback,
    UnknownPerson,
    require_loopback,
)
from eucora.identity.entra import EntraIdentity
from eucora.identity.principal import TokenInvalid
from eucora.identity.provider import build_identity
from eucora.settings import Environment, MissingSetting, Settings

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class Clock:
    """A clock that stands where a test puts it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(environment=Environment.DEVELOPMENT, identity_secret_file=tmp_path / "keys" / "identity")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(settings: Settings, clock: Clock) -> DevelopmentIdentity:
    return DevelopmentIdentity(settings, clock=clock)


def test_there_are_three_cab_members_and_two_of_every_other_role() -> None:
    count = Counter(role for person in PEOPLE for role in person.roles)
    assert count.pop(Role.CAB_MEMBER) == 3
    assert count == {role: 2 for role in Role if role not in (Role.CAB_MEMBER, Role.SYSTEM)}
    assert len({person.actor for person in PEOPLE}) == len(PEOPLE)


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: str(person.actor))
def test_everybody_can_sign_in_and_is_known_by_the_token(identity: DevelopmentIdentity, person: object) -> None:
    issued = identity.sign_in(person.actor)  # type: ignore[attr-defined]
    assert asyncio.run(identity.authenticate(issued.token)) == person
    assert issued.principal == person


def test_a_stranger_cannot_sign_in(identity: DevelopmentIdentity) -> None:
    with pytest.raises(UnknownPerson) as refusal:
        identity.sign_in("mallory")
    assert (refusal.value.code, refusal.value.field) == ("unknown_person", "user")


def test_a_token_ends(identity: DevelopmentIdentity, clock: Clock) -> None:
    issued = identity.sign_in("cab-anna")
    clock.now = issued.expires_at - timedelta(seconds=1)
    asyncio.run(identity.authenticate(issued.token))
    clock.now = issued.expires_at
    with pytest.raises(TokenInvalid) as refusal:
        asyncio.run(identity.authenticate(issued.token))
    assert refusal.value.code == "token_expired"


def forged(settings: Settings, **changes: object) -> str:
    path = settings.identity_secret_file
    assert path is not None
    claims = {"iss": "eucora-development", "aud": "eucora", "sub": "cab-anna", "iat": NOW, "exp": NOW + timedelta(1)}
    return jwt.encode({**claims, **changes}, path.read_text(), algorithm="HS256")


@pytest.mark.parametrize(
    "changes",
    [{"iss": "somebody"}, {"aud": "somewhere"}, {"sub": "mallory"}, {"sub": ""}, {"exp": "tomorrow"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_token_with_other_claims_does_not_hold(
    settings: Settings, identity: DevelopmentIdentity, changes: dict[str, object]
) -> None:
    with pytest.raises(TokenInvalid):
        asyncio.run(identity.authenticate(forged(settings, **changes)))


@pytest.mark.parametrize("kind", ["garbage", "other secret", "no signature"])
def test_a_token_that_we_did_not_sign_does_not_hold(identity: DevelopmentIdentity, kind: str) -> None:
    claims = {"iss": "eucora-development", "aud": "eucora", "sub": "cab-anna", "iat": NOW, "exp": NOW + timedelta(1)}
    token = {
        "garbage": "not.a.token",
        "other secret": jwt.encode(claims, "x" * 40, algorithm="HS256"),
        "no signature": jwt.encode(claims, "", algorithm="none"),
    }[kind]
    with pytest.raises(TokenInvalid):
        asyncio.run(identity.authenticate(token))


def test_roles_written_into_a_token_count_for_nothing(settings: Settings, identity: DevelopmentIdentity) -> None:
    principal = asyncio.run(identity.authenticate(forged(settings, roles=["platform_admin"])))
    assert principal.roles == (Role.CAB_MEMBER,)


def test_the_secret_is_drawn_once_and_kept_for_the_owner_alone(settings: Settings, clock: Clock) -> None:
    first = DevelopmentIdentity(settings, clock=clock)
    path = settings.identity_secret_file
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = DevelopmentIdentity(settings, clock=clock)
    assert asyncio.run(second.authenticate(first.sign_in("cab-ben").token)).actor == "cab-ben"


def test_a_secret_that_is_too_short_is_refused(settings: Settings) -> None:
    path = settings.identity_secret_file
    assert path is not None
    path.parent.mkdir()
    path.write_text("short")
    with pytest.raises(MissingSetting, match="at least 32"):
        DevelopmentIdentity(settings)


@pytest.mark.parametrize("environment", [Environment.STAGING, Environment.PRODUCTION])
def test_it_cannot_be_built_outside_of_development(settings: Settings, environment: Environment) -> None:
    with pytest.raises(MissingSetting, match="only with EUCORA_ENV=development"):
        DevelopmentIdentity(settings.model_copy(update={"environment": environment}))


def test_without_a_place_for_the_secret_it_names_the_variable() -> None:
    with pytest.raises(MissingSetting, match="EUCORA_IDENTITY_SECRET_FILE"):
        DevelopmentIdentity(Settings(environment=Environment.DEVELOPMENT))


def test_the_environment_chooses_the_provider(settings: Settings) -> None:
    assert isinstance(build_identity(settings), DevelopmentIdentity)
    entra = settings.model_copy(
        update={"environment": Environment.PRODUCTION, "entra_tenant": "t", "entra_audience": "a"}
    )
    provider = build_identity(entra)
    assert isinstance(provider, EntraIdentity)
    asyncio.run(provider.aclose())


def test_elsewhere_missing_entra_settings_are_an_error_at_start(settings: Settings) -> None:
    with pytest.raises(MissingSetting, match="EUCORA_ENTRA_TENANT"):
        build_identity(settings.model_copy(update={"environment": Environment.PRODUCTION}))


@pytest.mark.parametrize(
    ("client", "host"),
    [("127.0.0.1", "127.0.0.1:8000"), ("127.8.8.8", "localhost"), ("::1", "[::1]:8000"), ("::1", "[::1]")],
)
def test_this_machine_is_let_in(client: str, host: str) -> None:
    require_loopback(client, host)


@pytest.mark.parametrize(
    ("client", "host"),
    [
        ("192.0.2.7", "127.0.0.1:8000"),
        (None, "127.0.0.1"),
        ("", "127.0.0.1"),
        ("127.0.0.1", "evil.example"),
        ("127.0.0.1", "evil.example:8000"),
        ("127.0.0.1", ""),
        ("127.0.0.1", "192.0.2.7:8000"),
    ],
)
def test_anybody_else_is_not(client: str | None, host: str) -> None:
    with pytest.raises(NotLoopback):
        require_loopback(client, host)
