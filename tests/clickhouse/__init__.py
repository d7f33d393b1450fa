"""A server that speaks ClickHouse's HTTP interface in front of the embedded engine, with faults on demand.

It is no ClickHouse server: it shows that our client side sends and reads what ClickHouse specifies, and what
becomes of that when the transport fails. It follows ClickHouse 26's ``HTTPHandler`` in what a client can see:
parameters and settings in the URL or a form, inserts with their data behind the statement, buffers and
compression of answers, status codes, headers, and the ``__exception__`` tail of an answer that fails when
part of it has been sent. It has one user, and no sessions, roles, external tables or progress headers.

In process: ``with clickhouse_server(folder) as server``. As a process of its own, which can be killed and
started again on the same folder: ``python -m tests.clickhouse --port 0 --folder DIR``, whose first line of
output is its URL, or ``ClickHouseProcess``. Faults: ``server.faults.add(...)``, or ``POST /_fault``.
"""

from tests.clickhouse.faults import AnyFault, Cut, Down, Error, Reset, Slow
from tests.clickhouse.process import ClickHouseProcess
from tests.clickhouse.server import PASSWORD, USER, ClickHouseServer, clickhouse_server

__all__ = [
    "PASSWORD",
    "USER",
    "AnyFault",
    "ClickHouseProcess",
    "ClickHouseServer",
    "Cut",
    "Down",
    "Error",
    "Reset",
    "Slow",
    "clickhouse_server",
]
