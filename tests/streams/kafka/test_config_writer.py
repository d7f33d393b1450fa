"""Interleaved writers against a plain dictionary: whatever fails, whoever comes between, no update is lost.

The broker here is a list of records and the number of the writer whose turn it is: what Kafka does with one
``transactional.id``. How the writer does on the real one is in ``test_config_on_broker``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loopin_schemas.config import ApiKey
from loopin_streams.kafka import config_writer
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.config_writer import ConfigWriter, Turn
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable, ConfigBusy, ConfigConflict, Fenced
from tests.streams.kafka.configured import Record, api_key

IDS = ("a", "b")


class Step:
    """Lets the others go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class Log:
    """The topic, and what a plain dictionary of items makes of each record that is committed."""

    records: list[Record] = field(default_factory=list)
    turn: int = 0
    versions: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(IDS))
    fault: str = ""

    def configuration(self) -> Configuration:
        found = Configuration()
        for one in self.records:
            found.apply(one)
        return found


@dataclass
class FakeTurn:
    """One writer's turn, whose change is to replace ``replaces``."""

    log: Log
    configuration: Configuration
    mine: int
    replaces: str | None

    async def commit(self, key: bytes, value: bytes | None) -> None:
        await Step()
        if self.log.turn != self.mine:
            raise Fenced("another writer has taken over")
        fault, self.log.fault = self.log.fault, ""
        if fault == "refused":
            raise RequestTimedOutError
        id = key.decode().removeprefix("api_key:")
        assert self.log.versions[id] == self.replaces, "an update would be lost"
        self.log.records.append(Record(key, value, len(self.log.records)))
        self.log.versions[id] = self.log.configuration().version("api_key", id)
        await Step()
        if fault == "answer lost":
            raise RequestTimedOutError


@dataclass
class Writer:
    """A change under way, one step at a time."""

    log: Log
    id: str
    replaces: str | None
    body: ApiKey | None
    change: Coroutine[Any, Any, Any] = field(init=False)
    outcome: str = ""
    faulted: bool = False

    def __post_init__(self) -> None:
        async def pause(_: int) -> None:
            await Step()

        writer = ConfigWriter(self.turns, pause)
        if self.body is None:
            assert self.replaces is not None
            self.change = writer.remove("api_key", self.id, replaces=self.replaces)
        else:
            self.change = writer.put(self.id, self.body, replaces=self.replaces, by="root")

    @asynccontextmanager
    async def turns(self) -> AsyncIterator[Turn]:
        self.log.turn += 1
        mine = self.log.turn
        await Step()
        yield FakeTurn(self.log, self.log.configuration(), mine, self.replaces)

    def step(self) -> None:
        try:
            self.change.send(None)
        except StopIteration as done:
            self.outcome = done.value.version if done.value is not None else "removed"
        except ConfigConflict:
            self.outcome = "conflict"


class Writers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.writers: list[Writer] = []
        self.seen: dict[str, list[str]] = {id: [] for id in IDS}

    @initialize(count=st.integers(0, 2))
    def some_items(self, count: int) -> None:
        for id in IDS[:count]:
            self.start(id, None, True)
            while not self.writers[-1].outcome:
                self.writers[-1].step()

    @rule(id=st.sampled_from(IDS), back=st.integers(0, 2) | st.none(), puts=st.booleans())
    def start(self, id: str, back: int | None, puts: bool) -> None:
        """Somebody who has seen the newest version, an older one, or none, begins to change the item."""
        newest = self.log.versions[id]
        if newest is not None and newest not in self.seen[id]:
            self.seen[id].append(newest)
        seen = self.seen[id]
        replaces = seen[-1 - back] if back is not None and back < len(seen) else None
        if puts or replaces is None:
            self.writers.append(Writer(self.log, id, replaces, api_key(f"by writer {len(self.writers)}")))
        else:
            self.writers.append(Writer(self.log, id, replaces, None))

    @precondition(lambda self: any(not writer.outcome for writer in self.writers))
    @rule(data=st.data(), fault=st.sampled_from(["", "", "", "refused", "answer lost"]))
    def go_on(self, data: st.DataObject, fault: str) -> None:
        writer = data.draw(st.sampled_from([one for one in self.writers if not one.outcome]))
        self.log.fault = fault
        before = len(self.log.records)
        writer.step()
        writer.faulted |= bool(fault) and (not self.log.fault or len(self.log.records) > before)
        self.log.fault = ""

    @invariant()
    def who_succeeded_was_written_once_and_who_met_a_conflict_was_not(self) -> None:
        written = Counter(
            one.value.split(b'"version":"')[1][:16].decode() for one in self.log.records if one.value
        )
        assert not written or max(written.values()) == 1
        for writer in self.writers:
            if writer.outcome == "conflict" and not writer.faulted:
                names = [one.value or b"" for one in self.log.records]
                assert writer.body is None or not any(
                    f'"{writer.body.name}"'.encode() in one for one in names
                )
            elif writer.outcome not in ("", "conflict", "removed"):
                assert written[writer.outcome] == 1

    def teardown(self) -> None:
        for writer in self.writers:
            while not writer.outcome:
                writer.step()
        self.who_succeeded_was_written_once_and_who_met_a_conflict_was_not()
        held = self.log.configuration()
        assert {id: held.version("api_key", id) for id in IDS} == self.log.versions


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=150, stateful_step_count=40)


@pytest.fixture
def log() -> Log:
    return Log()


class Failing:
    """Turns whose commits fail as told."""

    def __init__(self, log: Log, error: Exception) -> None:
        self.log = log
        self.error = error
        self.turns_taken = 0

    @asynccontextmanager
    async def turns(self) -> AsyncIterator[Turn]:
        self.turns_taken += 1
        yield self

    @property
    def configuration(self) -> Configuration:
        return self.log.configuration()

    async def commit(self, key: bytes, value: bytes | None) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "raised", "sentence"),
    [
        (Fenced("taken over"), ConfigBusy, "Others keep changing"),
        (RequestTimedOutError(), BrokerUnreachable, "not known"),
    ],
)
async def test_a_writer_gives_up_in_the_end(
    log: Log,
    error: Exception,
    raised: type[Exception],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = Failing(log, error)
    paused: list[int] = []

    async def pause(attempt: int) -> None:
        paused.append(attempt)
        if attempt == 2:
            monkeypatch.setattr(config_writer, "monotonic", lambda: float("inf"))

    with pytest.raises(raised, match=sentence):
        await ConfigWriter(failing.turns, pause).put("a", api_key(), replaces=None, by="root")
    assert paused == [0, 1, 2]
    assert failing.turns_taken == 4


@pytest.mark.parametrize("error", [TopicAuthorizationFailedError(), MessageSizeTooLargeError()])
async def test_what_the_broker_refuses_for_good_is_not_tried_again(log: Log, error: KafkaError) -> None:
    failing = Failing(log, error)

    with pytest.raises(BrokerRefused, match="The Kafka broker refused: "):
        await ConfigWriter(failing.turns).put("a", api_key(), replaces=None, by="root")
    assert failing.turns_taken == 1


@pytest.mark.parametrize("attempt", [0, 3, 100])
async def test_pauses_are_of_any_length_up_to_a_bound(attempt: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    for _ in range(50):
        await config_writer._random_pause(attempt)
    assert 0 <= min(slept) < max(slept) <= config_writer.LONGEST_PAUSE_S
    assert len(set(slept)) > 10
