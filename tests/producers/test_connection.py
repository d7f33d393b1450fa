"""A client's ways out are opened with its first event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from loopin_producers.connection import Connection, Ways
from loopin_producers.resender import Hooks
from loopin_producers.spool import Spool, SpooledRecord

from .scripted_transport import ScriptedTransport


def test_refusal_that_comes_while_the_way_is_opened_is_not_forgotten(tmp_path: Path) -> None:
    transport = ScriptedTransport(auto=False)

    def refused(down: Callable[[], object]) -> ScriptedTransport:
        down()
        return transport

    hooks = Hooks(lambda *_: None, lambda *_: None, lambda *_: None, lambda *_: None)
    ways = Ways(refused, lambda: Spool(tmp_path), None, hooks, durable=False, max_waiting=100)
    connection = Connection(ways, lambda: None)
    connection.deliver(SpooledRecord(str(UUID(int=1)), 1, b"shop:user", b"{}"))
    assert connection.is_down
    assert connection.close(0) == 1
