from __future__ import annotations

import socket

import pytest

from loopin_deploy.ports import free_port, port_taken


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()

    assert not port_taken("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert port_taken("127.0.0.1", port)
    assert not port_taken("127.0.0.1", port)


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError, match="address"):
        port_taken("192.0.2.1", 80)
