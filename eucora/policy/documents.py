"""Reading the shipped documents from the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources


def shipped_document(name: str) -> Mapping[str, object]:
    """The shipped JSON document ``name``, such as ``risk-model-v1.0``.

    Raises:
        FileNotFoundError: no such document ships.
        TypeError: the document is not a mapping.
    """
    text = resources.files("eucora.policy").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    if not isinstance(document, dict):
        message = f"{name}.json must hold a mapping, not {type(document).__name__}"
        raise TypeError(message)
    return document
