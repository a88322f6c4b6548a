"""Policy documents: plain mappings, as JSON or YAML gives them, read strictly.

A wrong document is refused with the path of the field at fault. Unknown fields are refused too: a misspelt
option that is silently ignored would be a rule nobody decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from eucora.domain.errors import InvalidInput

MISSING = object()


class Document:
    """One mapping of a policy document.

    ``where`` is its path for messages (``factors[2].rubric``, empty at the top); ``error`` is what is raised.
    """

    __slots__ = ("_error", "_source", "where")

    def __init__(self, source: object, *, error: type[InvalidInput], where: str = "") -> None:
        if not isinstance(source, Mapping):
            sentence = f"{where or 'The document'} must be a mapping, not {type(source).__name__}."
            raise error(sentence, field=where or None)
        self._source: Mapping[object, object] = source
        self._error = error
        self.where = where

    def path(self, name: str) -> str:
        """The full path of the field ``name``."""
        return f"{self.where}.{name}" if self.where else name

    def refuse(self, reason: str, name: str = "") -> NoReturn:
        """Raise the document's error at the field ``name``, or at the mapping itself."""
        field = self.path(name) if name else self.where
        message = f"{field or 'The document'} {reason}."
        raise self._error(message, field=field or None)

    def only(self, *names: str) -> None:
        """Refuse every field that is not one of ``names``."""
        for name in self._source:
            if name not in names:
                self.refuse(f"is not a field here; the fields are {', '.join(names)}", str(name))

    def has(self, name: str) -> bool:
        return name in self._source

    def names(self) -> tuple[str, ...]:
        """The names of all fields, in the order of the document."""
        return tuple(str(name) for name in self._source)

    def raw(self, name: str) -> object:
        value = self._source.get(name, MISSING)
        if value is MISSING:
            self.refuse("is missing", name)
        return value

    def text(self, name: str) -> str:
        """A text that is not blank."""
        value = self.raw(name)
        if not isinstance(value, str) or not value.strip():
            self.refuse("must be a text that is not blank", name)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.raw(name) if self.has(name) else default
        if not isinstance(value, bool):
            self.refuse("must be true or false", name)
        return value

    def integer(self, name: str, *, lowest: int = 0) -> int:
        """A whole number of at least ``lowest``."""
        value = self.raw(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            self.refuse(f"must be a whole number of at least {lowest}", name)
        return value

    def number(self, name: str) -> Decimal:
        """A finite number, exactly as it is written: a binary float counts as its shortest decimal text."""
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            self.refuse("must be a number", name)
        try:
            number = Decimal(repr(value) if isinstance(value, float) else value)
        except InvalidOperation:
            self.refuse("must be a number", name)
        if not number.is_finite():
            self.refuse("must be a finite number", name)
        return number

    def child(self, name: str) -> Document:
        return Document(self.raw(name), error=self._error, where=self.path(name))

    def children(self, name: str) -> tuple[Document, ...]:
        """The mappings of a list that is not empty."""
        return tuple(
            Document(item, error=self._error, where=f"{self.path(name)}[{index}]")
            for index, item in enumerate(self._list(name))
        )

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list that is not empty; none of them blank."""
        texts: list[str] = []
        for index, item in enumerate(self._list(name)):
            if not isinstance(item, str) or not item.strip():
                self.refuse("must be a text that is not blank", f"{name}[{index}]")
            texts.append(item)
        return tuple(texts)

    def _list(self, name: str) -> Sequence[object]:
        value = self.raw(name)
        if not isinstance(value, list | tuple) or not value:
            self.refuse("must be a list that is not empty", name)
        return value
