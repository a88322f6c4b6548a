"""Workflows replay the domain, so it must give the same answer every time (docs/adr/0002).

The import contract keeps clocks and random numbers out; what remains reachable without an import is refused here:
``.now()``, ``.today()``, ``.utcnow()``, ``uuid4()``, ``hash()`` and iterating a set, whose order differs between runs.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = sorted((ROOT / "eucora" / "domain").rglob("*.py"))

CLOCKS = frozenset({"now", "today", "utcnow"})
IMPURE_CALLS = frozenset({"uuid1", "uuid4", "hash", "id", "open", "input", "print", "urandom", "getrandbits"})
SET_METHODS = frozenset({"difference", "intersection", "symmetric_difference", "union"})


def impurities(source: str) -> list[str]:
    """What makes ``source`` give different answers at different times, as ``line: reason``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
                found.append(f"{node.lineno}: .{node.func.attr}() reads a clock: take the time as an argument")
            if (name := _called(node)) in IMPURE_CALLS:
                found.append(f"{node.lineno}: {name}() differs between runs: take its result as an argument")
            if isinstance(node.func, ast.Name) and node.func.id in {"list", "tuple", "enumerate", "iter", "next"}:
                found += [_unordered(argument) for argument in node.args[:1] if _is_set(argument)]
            if isinstance(node.func, ast.Attribute) and node.func.attr == "join":
                found += [_unordered(argument) for argument in node.args if _is_set(argument)]
        elif isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
            found.append(_unordered(node.iter))
        elif isinstance(node, ast.Starred) and _is_set(node.value):
            found.append(_unordered(node.value))
    return found


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr="uuid1" | "uuid4" | "urandom" | "getrandbits" as name):
            return name
        case _:
            return ""


def _is_set(node: ast.expr) -> bool:
    """Whether the expression is a set for certain: a literal, a comprehension, a call, or an operation on those."""
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(attr=attribute, value=value)) if attribute in SET_METHODS:
            return _is_set(value)
        case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return _is_set(left) or _is_set(right)
        case _:
            return False


def _unordered(node: ast.expr) -> str:
    return f"{node.lineno}: iterates a set, whose order differs between runs: sort it first"


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_domain_gives_the_same_answer_every_time(path: Path) -> None:
    assert impurities(path.read_text(encoding="utf-8")) == []


def test_there_is_a_domain_to_look_at() -> None:
    assert len(DOMAIN) > 3


@pytest.mark.parametrize(
    "source",
    [
        "at = datetime.now(UTC)",
        "at = datetime.datetime.utcnow()",
        "day = date.today()",
        "name = uuid4()",
        "name = uuid.uuid4()",
        "bucket = hash(device) % 10",
        "for plane in {'a', 'b'}: pass",
        "for plane in set(planes): pass",
        "x = [plane for plane in frozenset(planes)]",
        "x = list(set(a) - set(b))",
        "x = tuple({plane for plane in planes})",
        "x = [*set(planes)]",
        "x = ', '.join(set(planes))",
        "for plane in set(a).union(b): pass",
    ],
)
def test_each_kind_of_impurity_is_found(source: str) -> None:
    assert len(impurities(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "for plane in sorted(set(planes)): pass",
        "ok = plane in {'a', 'b'}",
        "x = len(set(planes))",
        "now = state.now",
        "total = sum(1 for x in values if x in frozenset(known))",
    ],
)
def test_what_is_pure_is_left_alone(source: str) -> None:
    assert impurities(source) == []
