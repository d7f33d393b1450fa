"""The cases of the matrix, in the order in which they run."""

from __future__ import annotations

from tests.faults.case import Case
from tests.faults.cases.broker import BROKER
from tests.faults.cases.clickhouse import CLICKHOUSE
from tests.faults.cases.combined import COMBINED
from tests.faults.cases.identity import IDENTITY
from tests.faults.cases.input import INPUT
from tests.faults.cases.rebalances import REBALANCES
from tests.faults.cases.store_kills import STORE_KILLS
from tests.faults.cases.worker_kills import WORKER_KILLS
from tests.faults.cases.zombies import ZOMBIES

CASES: tuple[Case, ...] = (
    *WORKER_KILLS,
    *IDENTITY,
    *STORE_KILLS,
    *REBALANCES,
    *BROKER,
    *CLICKHOUSE,
    *INPUT,
    *ZOMBIES,
    *COMBINED,
)
