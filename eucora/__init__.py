"""Durable, auditable rollouts of end-user applications through five rings."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("eucora")
except PackageNotFoundError:  # imported from a source tree that was never installed
    __version__ = "0+source"
