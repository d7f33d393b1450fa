"""An installation's topics with the embedded store behind them, and a writer of transactions for them."""

from __future__ import annotations

from typing import NamedTuple

from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from tests.transactions import Transactions


class TopicsToStore(NamedTuple):
    """``ids`` are Kafka's ids of the topics, by name without the prefix."""

    settings: SinkSettings
    store_settings: StoreSettings
    store: Store
    ids: dict[str, str]
    writer: Transactions
