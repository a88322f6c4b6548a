"""The customary port when it is free, any free one when it is not, and then it is said."""

import socket

from eucora.stack.ports import LOOPBACK, choose


def test_a_free_port_is_taken_as_asked_and_nothing_is_said() -> None:
    with socket.create_server((LOOPBACK, 0)) as probe:
        port = probe.getsockname()[1]
    said: list[str] = []
    assert choose({"api": port}, say=said.append) == {"api": port}
    assert said == []


def test_a_taken_port_is_replaced_and_said() -> None:
    said: list[str] = []
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        chosen = choose({"api": port}, say=said.append)
    assert chosen["api"] != port
    assert said == [f"port {port} is taken: api listens on {chosen['api']}"]


def test_no_port_is_given_twice() -> None:
    chosen = choose({f"service-{number}": 0 for number in range(20)}, say=lambda _message: None)
    assert len(set(chosen.values())) == 20


def test_a_chosen_port_can_be_listened_on_at_once() -> None:
    port = choose({"api": 0}, say=lambda _message: None)["api"]
    with socket.create_server((LOOPBACK, port)) as listener:
        assert listener.getsockname()[1] == port
