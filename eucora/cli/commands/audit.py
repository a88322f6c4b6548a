"""``audit``: placeholder until the verifier lands."""

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add."""
