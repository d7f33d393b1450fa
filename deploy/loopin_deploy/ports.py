"""TCP ports of this machine."""

from __future__ import annotations

import errno
import random
import socket
from typing import Final

_PORTS: Final = range(20_000, 32_768)
"""Those that systems do not give to outgoing connections: Linux begins at 32768, others at 49152.

A port of theirs that is free now may be a connection's by the time a server listens on it, or whenever it is
started again, and stay so for as long as the connection lasts.
"""


def free_port(host: str = "127.0.0.1", *, besides: int = 0) -> int:
    """A port nobody listens on now; another process may still take it before the caller does.

    ``besides`` is a port that the caller has chosen already.

    Raises:
        OSError: the address is not one of this machine.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        if port != besides and not port_taken(host, port):
            return port
    raise OSError(errno.EADDRINUSE, f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free")


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
