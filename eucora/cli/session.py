"""Who the command line is: bearer tokens, signed in for at the development identity provider or given in EUCORA_TOKEN.

Tokens are cached in one file of mode 0600 beside the local stack's other state, by API and person; the person who
signed in last is the one for whom commands speak that name nobody.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from eucora.cli.client import ApiClient
from eucora.cli.errors import ApiRefused, NotSignedIn, Stopped

__all__ = ["Session", "TokenCache"]

MARGIN: Final = timedelta(minutes=2)
"""A token that ends sooner than this is renewed first."""


@dataclass(frozen=True, slots=True)
class TokenCache:
    """The file of tokens. A file that cannot be read counts as empty: it holds nothing that cannot be had again."""

    path: Path

    def token(self, api: str, person: str, *, at: datetime) -> str | None:
        """The token of ``person`` for ``api`` if it holds at ``at``."""
        entry = self._load().get("tokens", {}).get(f"{person} {api}")
        if not isinstance(entry, dict):
            return None
        return entry["token"] if datetime.fromisoformat(entry["expires_at"]) - MARGIN > at else None

    def current(self, api: str) -> str | None:
        """Who signed in last at ``api``."""
        person = self._load().get("current", {}).get(api)
        return person if isinstance(person, str) else None

    def keep(self, api: str, person: str, token: str, expires_at: str) -> None:
        """Keep a token."""
        known = self._load()
        known.setdefault("tokens", {})[f"{person} {api}"] = {"token": token, "expires_at": expires_at}
        self._store(known)

    def make_current(self, api: str, person: str) -> None:
        """Remember who signed in last."""
        known = self._load()
        known.setdefault("current", {})[api] = person
        self._store(known)

    def _load(self) -> dict[str, Any]:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _store(self, known: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, part = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")  # made 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(known, file)
        Path(part).replace(self.path)


@dataclass(slots=True)
class Session:
    """The token source of one command: for ``person``, or with ``token``, or for whoever signed in last.

    ``person`` wins over ``token``, which wins over the last sign-in.
    """

    api: str
    cache: TokenCache
    person: str | None = None
    token: str | None = None
    _held: dict[str, str] = field(default_factory=dict)

    def __call__(self, refused: bool) -> str | None:
        """The token to call with; a new one after the API refused the one before."""
        if self.person is None and self.token is not None:
            return self.token
        person = self.person or self.cache.current(self.api)
        if person is None:
            raise NotSignedIn(
                "Nobody is signed in: use --as PERSON (see `eucora people`), `eucora login PERSON` or EUCORA_TOKEN."
            )
        if refused or person not in self._held:
            cached = None if refused else self.cache.token(self.api, person, at=datetime.now(UTC))
            self._held[person] = cached or self.sign_in(person)
        return self._held[person]

    def sign_in(self, person: str) -> str:
        """Sign in at the development identity provider; raises :class:`NotSignedIn` where there is none."""
        with ApiClient(self.api) as client:
            try:
                _, answer = client.post("/auth/login", {"user": person})
            except ApiRefused as error:
                if error.problem.status == HTTPStatus.NOT_FOUND:
                    raise Stopped(
                        f"{self.api} has no development identity provider: give a bearer token in EUCORA_TOKEN.",
                        code="no_development_identity",
                    ) from None
                raise
        token: str = answer["token"]
        self.cache.keep(self.api, person, token, answer["expires_at"])
        return token
