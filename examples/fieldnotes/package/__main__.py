# ruff: noqa: INP001  - a script, run by its path
"""Fieldnotes: notes in one file of the user's home, shared with the other programs of this user over a local port."""

from __future__ import annotations

import argparse
import http.server
import json
import sys
import time
from pathlib import Path

VERSION = "3.2.0"
NOTES = Path.home() / ".fieldnotes.json"


def read() -> list[dict[str, str]]:
    """Every note, oldest first."""
    return json.loads(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else []


def add(text: str) -> None:
    """Keep a note; the file is replaced whole."""
    notes = [*read(), {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "text": text}]
    draft = NOTES.with_suffix(".draft")
    draft.write_text(json.dumps(notes, ensure_ascii=False, indent=1), encoding="utf-8")
    draft.replace(NOTES)


class Notes(http.server.BaseHTTPRequestHandler):
    """Gives the notes to programs on this machine."""

    def do_GET(self) -> None:
        body = json.dumps(read(), ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Add a note, list them, or serve them."""
    parser = argparse.ArgumentParser(prog="fieldnotes")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--serve", type=int, metavar="PORT")
    parser.add_argument("text", nargs="*")
    options = parser.parse_args()
    if options.serve is not None:
        http.server.ThreadingHTTPServer(("127.0.0.1", options.serve), Notes).serve_forever()
    elif options.text:
        add(" ".join(options.text))
    else:
        sys.stdout.writelines(f"{note['at']}  {note['text']}\n" for note in read())


if __name__ == "__main__":
    main()
