"""Health check inside the image: ``python healthcheck.py [PATH]`` ends with 0 when the role here answers.

A container runs one role, which listens on either the API's port or the health server's. Only the standard
library is used, and no proxy of the environment, so that a check costs milliseconds.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Sequence

PORTS = (("LOOPIN_API_PORT", 8000), ("LOOPIN_HEALTH_PORT", 8001))
"""Where a role may listen: the variable that moves the port, and the port without it."""

TIMEOUT_S = 3.0


def answers(port: int, path: str) -> bool:
    """Whether a GET on this machine's loopback address is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(argv: Sequence[str]) -> int:
    """0 when the role answers ``PATH`` (default ``/readyz``) with 200, else 1."""
    path = argv[0] if argv else "/readyz"
    ports = [int(os.environ.get(name) or default) for name, default in PORTS]
    return 0 if any(answers(port, path) for port in ports) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
