# ruff: noqa: INP001  - a script, run by its path
"""Wordcard: learn words from a text file of ``word = meaning`` lines, one card at a time."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

VERSION = "7.1.0"


def cards(path: Path) -> list[tuple[str, str]]:
    """The file's cards; lines without an equals sign are left out."""
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines())
    return [(word.strip(), meaning.strip()) for word, sign, meaning in pairs if sign]


def main() -> None:
    """Ask every card once, in a random order."""
    parser = argparse.ArgumentParser(prog="wordcard")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("file", type=Path)
    deck = cards(parser.parse_args().file)
    random.shuffle(deck)
    right = sum(input(f"{word}? ").strip().casefold() == meaning.casefold() for word, meaning in deck)
    sys.stdout.write(f"{right} of {len(deck)} right\n")


if __name__ == "__main__":
    main()
