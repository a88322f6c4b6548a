"""Durations as policy documents write them: ``90s``, ``15m``, ``4h``, ``30d``; decimals are allowed (``0.5s``)."""

from __future__ import annotations

import re

from eucora.domain.documents import Document

__all__ = ["duration"]

_FORM = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(document: Document, name: str, *, positive: bool = False) -> float:
    """Seconds of the duration in the field ``name``; the document's own error is raised for any other text."""
    matched = _FORM.fullmatch(document.text(name))
    if matched is None:
        document.refuse("must be a number with its unit s, m, h or d, such as 90s or 4h", name)
    seconds = float(matched[1]) * _SECONDS[matched[2]]
    if positive and seconds == 0:
        document.refuse("must be longer than 0", name)
    return seconds
