# ruff: noqa: INP001  - a script, run by its path
"""Build an example's package: ``python examples/build.py examples/fieldnotes`` writes ``dist/<name>-<version>.pyz``.

The package is a Python zip application (``python -m zipapp``'s format). The same sources give the same bytes on every
machine: files in order of their names, one fixed time, no compression. So its SHA-256 can stand in the manifest.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
SHEBANG = b"#!/usr/bin/env python3\n"


def build(example: Path, target: Path) -> str:
    """Write the package of ``example``/package to ``target``; returns its SHA-256."""
    sources = sorted(path for path in (example / "package").rglob("*") if path.is_file() and path.suffix != ".pyc")
    if not sources:
        raise FileNotFoundError(f"{example / 'package'} holds no files")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in sources:
                entry = zipfile.ZipInfo(path.relative_to(example / "package").as_posix(), EPOCH)
                entry.create_system = 3  # Unix, wherever it is built
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    target.chmod(0o755)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def main() -> None:
    """Build the example named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("example", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    sys.stdout.write(f"{build(options.example, options.target)}  {options.target}\n")


if __name__ == "__main__":
    main()
