"""The identity job, on the exactly-once runner."""

from __future__ import annotations

from collections.abc import Callable

from loopin_schemas import topics
from loopin_streams.identity.absorber import IdentityAbsorber
from loopin_streams.identity.persons import Persons
from loopin_streams.state.keyed_store import KeyedStore

PARTITIONS = 1
"""Of its input: a merge concerns ids of any two raw partitions, so all requests are decided in one order."""


class IdentityJob:
    """From ``identity.links`` to ``persons`` and ``person.merges``."""

    name = "identity"
    input = topics.IDENTITY_LINKS.name
    state_topic = topics.IDENTITY_STATE.name
    history = (topics.PERSONS.name,)
    outputs = (topics.PERSON_MERGES.name,)

    def __init__(self, store: Callable[[str], KeyedStore]) -> None:
        """``store`` makes an empty one, for the name of who it is for."""
        self._store = store

    def open(self, partition: int, topic_id: str) -> IdentityAbsorber:
        """Nobody known yet."""
        return IdentityAbsorber(Persons(self._store(f"{self.name}-{partition}")))
