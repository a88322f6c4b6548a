"""Who acts in the demo: people of the development identity provider, each in their own role."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from eucora.cli.client import ApiClient
from eucora.cli.session import Session, TokenCache

__all__ = ["APPROVER", "AUDITOR", "AUTHOR", "REJECTER", "SECOND_APPROVER", "SUBMITTER", "Desk"]

AUTHOR: Final = "packager-pia"
SUBMITTER: Final = "publisher-petra"
APPROVER: Final = "cab-anna"
SECOND_APPROVER: Final = "cab-ben"
REJECTER: Final = "cab-chloe"
AUDITOR: Final = "auditor-ava"

PATIENCE: Final = 45.0
"""Seconds for which a call is repeated while the API says 503."""


@dataclass(slots=True)
class Desk:
    """Clients of the API by person, made when they are first needed; used by several threads."""

    api: str
    folder: Path
    _clients: dict[str, ApiClient] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, person: str) -> ApiClient:
        """The client that speaks for ``person``."""
        with self._lock:
            if person not in self._clients:
                cache = TokenCache(self.folder / f"{person}.token.json")
                session = Session(api=self.api, cache=cache, person=person)
                self._clients[person] = ApiClient(self.api, token=session, patience=PATIENCE)
            return self._clients[person]

    def close(self) -> None:
        """Release the connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
