# ruff: noqa: INP001  - a script, run by its path
"""Handover: give a file to a colleague in the same network; who knows the word of the day may fetch it, once."""

from __future__ import annotations

import argparse
import hmac
import http.server
import secrets
import sys
from pathlib import Path

VERSION = "2.4.0"


def serve(path: Path, address: tuple[str, int]) -> None:
    """Offer the file until it was fetched."""
    word = secrets.token_urlsafe(6)
    content = path.read_bytes()

    class Offer(http.server.BaseHTTPRequestHandler):
        """Answers who knows the word."""

        def do_GET(self) -> None:
            right = hmac.compare_digest(self.path.lstrip("/").encode(), word.encode())
            self.send_response(200 if right else 404)
            self.send_header("Content-Length", str(len(content) if right else 0))
            self.end_headers()
            if right:
                self.wfile.write(content)
                self.server.offered = False

    server = http.server.HTTPServer(address, Offer)
    server.offered = True
    sys.stdout.write(f"http://{address[0]}:{server.server_port}/{word}\n")
    sys.stdout.flush()
    while server.offered:
        server.handle_request()


def main() -> None:
    """Offer one file."""
    parser = argparse.ArgumentParser(prog="handover")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    serve(options.file, (options.address, options.port))


if __name__ == "__main__":
    main()
