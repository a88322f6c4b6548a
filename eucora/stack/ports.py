"""Ports on the loopback address: the customary one when it is free, else any free one, and it is said."""

import random
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack

__all__ = ["LOOPBACK", "PREFERRED", "choose"]

LOOPBACK = "127.0.0.1"

# What each service is usually reached at. Those of Temporal are the vendor's own.
PREFERRED: Mapping[str, int] = {
    "temporal": 7233,
    "temporal-ui": 8233,
    "temporal-http": 7243,
    "temporal-metrics": 9466,
    "postgres": 15432,
    "api": 8000,
    "fleet": 8700,
    "worker-health": 9465,
    "worker-metrics": 9464,
}


# Below the ports that kernels give to outgoing connections (Linux from 32768, macOS from 49152): between the choice and
# the service's own bind, seconds later, a busy machine would hand one of those to somebody's connection.
FREE_RANGE = range(20_000, 32_768)
TRIES = 200


def choose(preferred: Mapping[str, int], *, say: Callable[[str], None]) -> dict[str, int]:
    """A free port for each name, the preferred one where possible; ``say`` is told of every other choice.

    A preferred port of 0 is any free one. All sockets are held until the last one is chosen: none is given twice.
    Between the choice and the service's own bind another process may still take one: the service then fails to start
    and its log says so.
    """
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        for name, port in preferred.items():
            listener = _listen(port) if port else None
            if listener is None:
                listener = _any()
                if port:
                    say(f"port {port} is taken: {name} listens on {listener.getsockname()[1]}")
            held.enter_context(listener)
            chosen[name] = listener.getsockname()[1]
    return chosen


def _any() -> socket.socket:
    """A listener on a free port, chosen at random so that stacks that start together seldom meet."""
    for port in random.sample(FREE_RANGE, TRIES):
        listener = _listen(port)
        if listener is not None:
            return listener
    return socket.create_server((LOOPBACK, 0))


def _listen(port: int) -> socket.socket | None:
    """A listener on that port; None when it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As servers do: a port whose last connections linger in TIME_WAIT is free. A listening one is refused.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(1)
    except OSError:
        listener.close()
        return None
    return listener
