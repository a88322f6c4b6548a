"""Exact decimal arithmetic that does not depend on the thread's decimal context.

The context below raises on any inexact result, so a score is either exact or refused; it is never an approximation.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

PLACES = 6
"""Most decimal places of a weight or a rubric value. With this bound every product and sum below is exact."""

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)

_EXACT = Context(prec=50, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


def add(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.add(left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    return _EXACT.multiply(left, right)


def places(value: Decimal) -> int:
    """Number of significant decimal places of a finite ``value``: 0.30 has one, 100 has none."""
    _, digits, exponent = value.as_tuple()
    if not value or not isinstance(exponent, int):
        return 0
    trailing_zeros = next(count for count, digit in enumerate(reversed(digits)) if digit)
    return max(0, -exponent - trailing_zeros)


def canonical(value: Decimal) -> str:
    """The one text of ``value``: no exponent, no trailing zeros, no negative zero (``38.5``, ``0.12``, ``100``)."""
    return format(_EXACT.normalize(value), "f") if value else "0"


def half_up(value: Decimal) -> int:
    """``value`` (not negative) rounded half up (domain.md §2): 38.5 gives 39, where ``round`` would give 38."""
    return int(value.to_integral_value(rounding=ROUND_HALF_UP, context=_EXACT))
