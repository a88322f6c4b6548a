"""YAML with line numbers: what stands where, so that an error can name the line a person has to mend.

Read strictly: a key that stands twice in one mapping is refused, and so is anything but one plain document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

__all__ = ["Located", "Path", "YamlInvalid", "read_yaml"]

Path = tuple[str | int, ...]

LARGEST: Final = 1024 * 1024
MOST_NODES: Final = 100_000
"""Aliases are followed; this many values at most, so that a small file cannot unfold into a large one."""


class YamlInvalid(Exception):
    """The text is not the YAML we read; ``line`` counts from 1, ``reason`` is for a person."""

    def __init__(self, reason: str, *, line: int) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A document's value and the line, from 1, of each value by its path."""

    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of ``path``, or of the nearest thing around it that is there (a field may be missing)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> Located:
    """Read one document. Raises :class:`YamlInvalid`."""
    if len(text) > LARGEST:
        raise YamlInvalid(f"the file is over {LARGEST // 1024} KiB", line=1)
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise YamlInvalid("the file is empty", line=1)
        for _ in _walk(node, (), ()):  # before construction: merging would hide what stands twice
            pass
        value = loader.construct_document(node)
        lines = {path: found.start_mark.line + 1 for path, found in _walk(node, (), (), check=False)}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlInvalid(error.problem or "not YAML", line=mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        raise YamlInvalid(str(error).splitlines()[0], line=1) from None
    except RecursionError:
        raise YamlInvalid("the file is nested too deeply", line=1) from None
    finally:
        loader.dispose()
    return Located(value=value, lines=lines)


def _walk(
    node: yaml.Node, path: Path, above: tuple[int, ...], *, check: bool = True, budget: list[int] | None = None
) -> Iterator[tuple[Path, yaml.Node]]:
    """Every value below ``node`` with its path; ``above`` holds the nodes on the way, to refuse one inside itself."""
    budget = budget if budget is not None else [MOST_NODES]
    budget[0] -= 1
    line = node.start_mark.line + 1
    if id(node) in above:
        raise YamlInvalid("a value contains itself", line=line)
    if budget[0] < 0:
        raise YamlInvalid("the aliases unfold into too many values", line=line)
    yield path, node
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), above, check=check, budget=budget)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, item in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if check and name in seen and name != "<<":
                raise YamlInvalid(f"{name!r} stands twice in one mapping", line=key.start_mark.line + 1)
            seen.add(name)
            yield from _walk(item, (*path, name), above, check=check, budget=budget)
