"""How the fleet says no: ``{"error": {"code", "message"}}`` and an ``X-Request-ID``.

Codes that the port promises (``unknown_group``, ``unknown_device`` ...) are the fleet's own words already, so they pass
through; what HTTP status means is shared by all connectors (``eucora.transport.errors``).
"""

from __future__ import annotations

import httpx

from eucora.transport.errors import Service, Trouble

__all__ = ["SERVICE"]


def _explain(response: httpx.Response) -> Trouble:
    request_id = response.headers.get("X-Request-ID")
    try:
        error = response.json()["error"]
        return Trouble(code=str(error["code"]), text=str(error["message"]), request_id=request_id)
    except (ValueError, KeyError, TypeError):
        return Trouble(request_id=request_id)


SERVICE = Service(name="the virtual fleet", explain=_explain)
