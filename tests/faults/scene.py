"""What a case's damage works on: the running system, the flow of events, and how far both have come."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.faults.compare import compare_windows
from tests.faults.findings import pending_repairs, read_raw, stored_windows, window_of
from tests.faults.oracle import Expected, Measures, Place, WindowKey, active_users, expected
from tests.faults.persons import Persons, asked, expected_persons
from tests.faults.processes import wait_until
from tests.faults.progress import Follower, Progress, as_object, reached
from tests.faults.publisher import EVENTS_PER_S, Publisher
from tests.faults.stored_persons import read_links
from tests.faults.system import PARTITIONS, System

RECOVERY_S = 180.0
"""Longest time until all that was published before a fault's end is stored."""

WINDOWS_S = 120.0
"""Longest time until the windows of a quiet log are right; a repair of late ones takes its turn within it."""

SETTLED_S = 2.0
"""How long they must stay right, which is more than one round of repairs."""


class Scene:
    """The running system and the flow of events.

    ``added`` are the places on the raw log of records that a case has made the product publish there, and has
    looked at.

    Every wait raises ``NotInTime`` at the case's deadline, and ``Refused`` when a process has given up.
    """

    def __init__(self, system: System, publisher: Publisher, case: str, seed: int, deadline: float) -> None:
        self.system = system
        self.publisher = publisher
        self.seed = seed
        self.rng = random.Random(f"{seed}:{case}")
        self.recovery_s: float | None = None
        self.expected: Expected | None = None
        self.added: set[Place] = set()
        self.notes: list[str] = []
        self.failed = False
        self._deadline = deadline
        self._progress = Progress(system.bootstrap, system.topic(""), PARTITIONS)
        self._metrics = Follower(system.bootstrap, system.topic("metrics"), PARTITIONS)

    @property
    def left_s(self) -> float:
        """Seconds until the case must end."""
        return max(0.0, self._deadline - time.monotonic())

    def flow(self, share: float) -> None:
        """Let another share (0-1) of the records flow, and return when a quarter of it does."""
        target = self.publisher.acknowledged + round(share * len(self.publisher.records) / 4)
        self.publisher.release(share)
        self.publisher.wait_acknowledged(min(target, self.publisher.released), self.left_s)

    def flow_steadily(self, share: float, seconds: float) -> None:
        """Let another share flow over so many seconds, or more where that is too fast; returns at once."""
        records = share * len(self.publisher.records)
        self.publisher.events_per_s = min(EVENTS_PER_S, records / seconds)
        self.publisher.release(share)

    def say(self, what: str) -> None:
        """Add a note to what is shown of the case if something is wrong."""
        self.notes.append(what)

    def fail(self, what: str) -> None:
        """Note that the system has not behaved as the case demands, though its numbers may be right."""
        self.failed = True
        self.say(what)

    def absorbed(self) -> list[int]:
        """Offsets of ``events.raw`` up to which the workers have committed."""
        return self._progress.absorbed()

    def enriched(self) -> int:
        """How many events are on ``events.enriched``."""
        self._progress.enriched_ends()
        return self._progress.enriched

    def wait_fired(self) -> None:
        """Return when a process has met the signal that was armed."""
        self.wait(lambda: not self.system.armed, "the armed point is passed", RECOVERY_S)

    def wait_moved_on(self) -> None:
        """Return when the workers have committed more than they have by now: something must be left."""
        before = sum(self.absorbed())
        self.wait(lambda: sum(self.absorbed()) > before, "a worker commits", RECOVERY_S)

    def publish_all(self) -> None:
        """Let the rest flow as fast as ever, and return when the broker has it."""
        self.publisher.events_per_s = EVENTS_PER_S
        self.publisher.release_all()
        self.publisher.wait(self.left_s)

    def wait_absorbed(self) -> None:
        """Return when the workers have committed all that the broker has by now."""
        self._wait_absorbed(self.ends(), RECOVERY_S)

    def recovered(self) -> None:
        """Call at the end of a fault.

        Returns when all that the broker has by now is stored, and every request to join persons is decided.
        """
        began = time.monotonic()
        self.wait_absorbed()
        enriched = self._progress.enriched_ends()
        self.wait(lambda: reached(self._progress.stored(), enriched), "the sink has caught up", RECOVERY_S)
        links = self._progress.links_ends()
        self.wait(lambda: reached(self._progress.decided(), links), "requests are decided", RECOVERY_S)
        self.recovery_s = max(self.recovery_s or 0.0, time.monotonic() - began)

    def wait_quiet(self) -> bool:
        """Return when everything published is worked off and stored, and the windows are and stay right.

        Whether they are: at the end, those that do not come to be right are left to the comparison.
        """
        self.expected = None
        self._wait_absorbed(self.ends(), self.left_s)
        wanted = self.expected = expected(read_raw(self.system), self.publisher.poison, partitions=PARTITIONS)
        self.wait(lambda: self._all_stored(len(wanted.events)), "all is stored", self.left_s)
        persons = active_users(wanted.good, self._wait_persons(wanted).names)
        found: dict[WindowKey, Measures] = {}
        right_since: float | None = None
        deadline = time.monotonic() + min(WINDOWS_S, self.left_s)
        while (now := time.monotonic()) < deadline:
            self.system.check()
            found = self._windows(found)
            right = compare_windows(wanted.windows, found, persons).none and self._metrics_stored()
            if not (right and self._repaired(wanted)):
                right_since = None
            elif right_since is None:
                right_since = now
            elif now - right_since >= SETTLED_S:
                return True
            time.sleep(0.5)
        if not self._repaired(wanted):
            self.fail("windows still wait for their repair")
        return False

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Return once the condition holds."""

        def holds() -> bool:
            self.system.check()
            return condition()

        wait_until(holds, what, min(seconds, self.left_s))

    def close(self) -> None:
        self._progress.close()
        self._metrics.close()

    def _wait_absorbed(self, ends: list[int], seconds: float) -> None:
        self.wait(lambda: reached(self._progress.absorbed(), ends), "the workers have caught up", seconds)

    def _all_stored(self, events: int) -> bool:
        enriched = self._progress.enriched_ends()
        return self._progress.enriched >= events and reached(self._progress.stored(), enriched)

    def _wait_persons(self, wanted: Expected) -> Persons:
        """Return when every request is decided and stored: who must be one person."""
        requests = sum(asked(event) is not None for event in wanted.good)
        self.wait(
            lambda: self._progress.requests() >= requests, "every request to join is there", self.left_s
        )
        persons = expected_persons(wanted.good, read_links(self.system))
        decisions = len(persons.decisions)
        self.wait(lambda: self._progress.decisions() >= decisions, "every request is decided", self.left_s)
        self.wait(self._progress.persons_stored, "every decision is stored", self.left_s)
        return persons

    def _windows(self, found: dict[WindowKey, Measures]) -> dict[WindowKey, Measures]:
        """The windows by now; an embedded store cannot be asked, so those on the topic stand for its own."""
        if self.system.layout.store == "server":
            return stored_windows(self.system.rows())
        return found | dict(window_of(as_object(message)) for message in self._metrics.new())

    def _repaired(self, wanted: Expected) -> bool:
        """Whether no window that is due waits for its repair; an embedded store cannot be asked."""
        embedded = self.system.layout.store == "embedded"
        return embedded or not pending_repairs(self.system.rows(), wanted.watermark)

    def _metrics_stored(self) -> bool:
        return reached(self._progress.metrics_stored(), self._progress.metrics_ends())

    def ends(self) -> list[int]:
        """Where the raw log ends now, by partition."""
        return list(self.system.ends(["events.raw"]).values())
