from __future__ import annotations

import socket
from pathlib import Path

import pytest

from loopin_deploy import ports
from loopin_deploy.ports import free_port, port_taken


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()

    assert not port_taken("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert port_taken("127.0.0.1", port)
    assert not port_taken("127.0.0.1", port)


def test_a_free_port_is_none_that_an_outgoing_connection_may_get() -> None:
    given_out = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()

    assert all(free_port() < int(given_out[0]) for _ in range(50))


def test_no_port_is_chosen_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(ports, "_PORTS", range(port, port + 1))

    assert free_port() == port
    with pytest.raises(OSError, match="no port"):
        free_port(besides=port)


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError, match="address"):
        port_taken("192.0.2.1", 80)
