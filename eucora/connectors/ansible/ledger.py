"""Shows what a plane received and what took place: ``python -m eucora.connectors.ansible.ledger --json``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from eucora.connectors.ansible import effects
from eucora.connectors.ansible.effects import LedgerEntry
from eucora.connectors.ansible.settings import PREFIX
from eucora.connectors.ansible.store import Store
from eucora.connectors.ansible.supervisor import end_jobs

__all__ = ["LedgerEntry", "duplicates", "end_jobs", "read_ledger"]

DEFAULT_STATE = ".eucora/ansible"


def read_ledger(state: Path) -> tuple[LedgerEntry, ...]:
    """Every effect that a plane received; ``state`` is the plane's own folder. Empty when there is no ledger yet."""
    store = Store(state)
    if not store.path.exists():
        return ()
    with store.read() as connection:
        return effects.ledger(connection)


def duplicates(entries: tuple[LedgerEntry, ...]) -> tuple[LedgerEntry, ...]:
    """The effects that took place more than once."""
    return tuple(entry for entry in entries if entry.applied > 1)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m eucora.connectors.ansible.ledger", description=__doc__)
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get(PREFIX + "STATE", DEFAULT_STATE)),
        help=f"the connector's state folder (default: {PREFIX}STATE, or {DEFAULT_STATE})",
    )
    parser.add_argument("--plane", default="ansible", help="name of the plane (default: ansible)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--end-jobs", action="store_true", help="end every running play of the plane, and say how many")
    given = parser.parse_args(arguments)
    state = given.state.expanduser().absolute() / given.plane
    if given.end_jobs:
        sys.stdout.write(f"{end_jobs(state)} processes ended\n")
        return 0
    entries = read_ledger(state)
    if given.json:
        report = {
            "plane": given.plane,
            "duplicates": len(duplicates(entries)),
            "effects": [asdict(entry) for entry in entries],
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        for entry in entries:
            sys.stdout.write(f"{entry.key}  received {entry.received}  applied {entry.applied}  plays {entry.plays}\n")
    return 1 if duplicates(entries) else 0


if __name__ == "__main__":
    sys.exit(main())
