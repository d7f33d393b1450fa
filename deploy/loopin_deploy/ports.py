"""TCP ports of this machine."""

from __future__ import annotations

import errno
import socket


def free_port(host: str = "127.0.0.1", *, besides: int = 0) -> int:
    """A port nobody listens on now; another process may still take it before the caller does.

    ``besides`` is a port that the caller has chosen already: the system may well offer it again.
    """
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if port != besides:
            return port


def port_taken(host: str, port: int) -> bool:
    """Whether a server could not listen on ``host:port`` because another one does.

    Raises:
        OSError: the address is not one of this machine, or the port needs more rights.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a server that has just stopped do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
        return False
