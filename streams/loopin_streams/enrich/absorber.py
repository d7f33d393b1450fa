"""The enrichment's state for one raw partition, and what a batch does to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import thread_time
from typing import Final, TypeVar

from loopin_schemas import topics
from loopin_schemas.codec import encode
from loopin_schemas.profile import Profile
from loopin_streams.enrich.body_privacy import BodyPrivacy
from loopin_streams.enrich.counting import count_events
from loopin_streams.enrich.dead_letters import dead_letter, project_of
from loopin_streams.enrich.draft import Context, Dlq, Draft
from loopin_streams.enrich.links import linking, route_links
from loopin_streams.enrich.pipeline import run
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Message, Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.learning.foresight import is_old
from loopin_streams.learning.sweep import Sweep
from loopin_streams.windows.grains import LATENESS_MS, MINUTE_MS
from loopin_streams.windows.operations import count_operations
from loopin_streams.windows.publishing import publish_windows

Key = TypeVar("Key")

SWEPT_KEY: Final = b"s"
"""Of the state: the minute up to which users have had their turn of the day."""

CAP_KEY: Final = b"a"
"""Of the state: what was told of anomalies in the newest minute."""

PUBLISH_EVERY_S: Final = 1.0
"""Shortest time between two publications of the changed windows."""


class EnrichAbsorber:
    """Enriches the records of one partition, and keeps its profiles, windows and seen uuids.

    Without ``real_time`` changed windows are published when the watermark reaches another minute, as they
    always are, and not every second.
    """

    def __init__(self, context: Context, clock: Callable[[], float], *, real_time: bool = True) -> None:
        self.context = context
        self._privacy = BodyPrivacy(context.scrubber, context.ip, context.sentiment)
        self._real_time = real_time
        self._clock = clock
        self._published_at = clock()
        self._dropped_at: int | None = None
        self._sweep = Sweep()
        self._swept: bytes | None = None

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        """Take in records of ``seen`` or ``profiles``."""
        if topic == topics.SEEN.name:
            self.context.seen.restore(records)
        else:
            self.context.profiles.restore(records)

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """Take in the watermark and the open windows."""
        self.context.profiles.check()
        found = len(self.context.profiles)
        if marker.held not in (None, found):
            raise RefusedToOpen(
                "state_incomplete",
                f"Partition {self.context.origin.partition} of the topic profiles holds {found} profiles and "
                f"should hold {marker.held}: stop the workers and run `loopin state rebuild enrich`.",
            )
        self._sweep.add(self.context.profiles.keys())
        self._swept = state.get(SWEPT_KEY)
        self._sweep.read(self._swept)
        if CAP_KEY in state:
            self.context.detector.cap.restore(state[CAP_KEY])
        ours = (SWEPT_KEY, CAP_KEY)
        self.context.windows.restore({key: value for key, value in state.items() if key not in ours})
        if marker.watermark is not None:
            self.context.windows.advance(marker.watermark)

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Run the pipeline; every record becomes an enriched event, a dead letter, or a counted drop."""
        drafts = [Draft(record) for record in records]
        passed = run(drafts, self.context)
        begun = thread_time()
        output = Output()
        output.counts.read = len(records)
        output.counts.passed = len(passed)
        # Before the watermark moves on: a batch of a backlog may span hours.
        self._leave_out(drafts, output)
        links = linking(drafts)
        # A link counts once, as an event does, be its event in the sample or not.
        if remembered := passed + [draft for draft in links if draft.outcome is not None]:
            newest = max(draft.received_at for draft in remembered)
            seen = self.context.seen.add((draft.uuid_hash for draft in remembered), newest)
            output.add(topics.SEEN.name, None, seen)
        route_links(links, self.context.origin, output)
        if passed:
            output.messages[topics.ENRICHED.name] = [(draft.key, draft.body) for draft in passed]
            self._sweep.add({draft.key: None for draft in passed if draft.profile.events == 0})
            output.messages[topics.PROFILES.name] = count_events(
                passed,
                self.context.profiles,
                self.context.windows,
                self.context.projects,
                self.context.foresight,
                self.context.detector,
            )
            self._note_old(passed)
            for draft in passed:
                if draft.enriched.late is not None:
                    _increase(output.counts.late, draft.enriched.late)
        elif drafts:
            # No event tells the time. A partition of nothing but refused records must not hold back the
            # windows and alerts of all others, which wait for the least watermark.
            self.context.windows.advance(max(draft.received_at for draft in drafts) - LATENESS_MS)
        counted = thread_time()
        self._pass_time(output)
        self._finish(output, position)
        self.context.costs.add(
            [
                ("state", counted - begun, len(records)),
                ("publish", thread_time() - counted, len(records)),
            ]
        )
        return output

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        """Let the watermark follow the clock at the log's end, and publish what waits."""
        windows = self.context.windows
        before = windows.watermark
        follows = None if caught_up_ms is None else caught_up_ms - LATENESS_MS
        # A new minute is what may close a window; every second would be a transaction for nothing.
        moved = follows is not None and (before is None or follows // MINUTE_MS > before // MINUTE_MS)
        output = Output()
        if moved and follows is not None:
            windows.advance(follows)
        if not self._pass_time(output) and not moved and not (windows.unpublished and self._due()):
            return None
        self._finish(output, position, publish=True)
        return output

    def give_turns(self, keys: Sequence[bytes], now: int) -> list[Message]:
        """Take in what the time up to epoch ms ``now`` makes known of users; their profiles to publish."""
        profiles = self.context.profiles
        users = [
            (key, profile)
            for key, profile in zip(keys, profiles.load(keys), strict=True)
            if profile is not None and not self._waits(profile, now)
        ]
        self.context.detector.sweep(users, now)
        # Of those who left long ago nothing changes: they are not published each day for ever.
        self.context.foresight.sweep(users, now)
        return profiles.save_others(users)

    def _waits(self, profile: Profile, now: int) -> bool:
        """Whether the user's history is still coming in."""
        behaviour = profile.behaviour
        if behaviour is None or not behaviour.came_old:
            return False
        return self._sweep.waits(behaviour.came_old // MINUTE_MS, now // MINUTE_MS)

    def holds(self) -> Mapping[str, int]:
        """Profiles, seen uuids, open windows, and the series in them."""
        context = self.context
        return {
            "profiles": len(context.profiles),
            "seen": len(context.seen),
            "windows": len(context.windows),
            "series": context.windows.cells,
        }

    def close(self) -> None:
        """Let go of the profiles."""
        self.context.profiles.close()

    def _leave_out(self, drafts: Sequence[Draft], output: Output) -> None:
        """Dead letters, drops and misplaced records; and the count of what came and what was refused."""
        received: dict[tuple[str, int], int] = {}
        rejected: dict[tuple[str, int, str], int] = {}
        for draft in drafts:
            outcome = draft.outcome
            minute = draft.received_at // MINUTE_MS
            if isinstance(outcome, Dlq):
                project = project_of(draft) or ""
                _increase(output.counts.dead_lettered, outcome.reason)
                self._bury(draft, outcome, project, output)
                _increase(rejected, (project, minute, outcome.reason))
            else:
                project = draft.event.project
                if outcome is not None:
                    _increase(output.counts.dropped, outcome.reason)
                    if hasattr(draft, "moved_to"):
                        output.route(topics.RAW.name, draft.moved_to, draft.key, draft.body)
            at = project, minute
            received[at] = received.get(at, 0) + 1
        count_operations(self.context.windows, received, rejected)

    def _note_old(self, passed: Sequence[Draft]) -> None:
        """Tell whether there are events of another day than that on which they came."""
        if any(is_old(draft.enriched) for draft in passed):
            # The watermark of an import lags behind the arrival and makes up for it as soon as nothing comes
            # for a moment: it is to be quiet for long after the arrival.
            arrived = max(draft.received_at for draft in passed) - LATENESS_MS
            self._sweep.came_old(max(arrived, self.context.windows.watermark or 0) // MINUTE_MS)

    def _bury(self, draft: Draft, outcome: Dlq, project: str, output: Output) -> None:
        origin = self.context.origin
        key = f"{origin.topic}:{origin.partition}:{draft.record.offset}".encode()
        letter = dead_letter(draft, outcome, origin, project or None, self._privacy)
        output.add(topics.DLQ.name, key, encode(letter))

    def _pass_time(self, output: Output) -> bool:
        """Give users whose minute of the day has come their turn, and tell outcomes; whether any had one."""
        foresight, watermark = self.context.foresight, self.context.windows.watermark
        keys = [] if watermark is None else self._sweep.due(watermark // MINUTE_MS)
        if keys and watermark is not None:
            output.messages.setdefault(topics.PROFILES.name, []).extend(self.give_turns(keys, watermark))
        if self._sweep.swept is not None and (kept := self._sweep.kept()) != self._swept:
            self._swept = kept
            output.add(topics.ENRICH_STATE.name, SWEPT_KEY, kept)
        for examples in (foresight.examples, self.context.detector.examples):
            for example in examples:
                key = f"{example.project}:{example.target}".encode()
                output.route(topics.EXAMPLES.name, 0, key, encode(example))
            examples.clear()
        self._tell_anomalies(output)
        return bool(keys)

    def _tell_anomalies(self, output: Output) -> None:
        detector = self.context.detector
        for anomaly in detector.found:
            output.add(
                topics.ANOMALIES.name, topics.event_key(anomaly.project, anomaly.distinct_id), encode(anomaly)
            )
            _increase(output.counts.anomalies, anomaly.kind)
        output.counts.withheld = detector.withheld
        detector.found, detector.withheld = [], {}
        if (cap := detector.cap.changes()) is not None:
            output.add(topics.ENRICH_STATE.name, CAP_KEY, cap)

    def _finish(self, output: Output, position: int, *, publish: bool = False) -> None:
        """Windows to their topics: changed ones to the state, and all to the merge once a second."""
        windows, watermark = self.context.windows, self.context.windows.watermark
        minute = None if watermark is None else watermark // MINUTE_MS
        # Windows leave memory by whole minutes of the watermark, and published.
        leaving = minute != self._dropped_at
        if publish or leaving or self._due():
            self._published_at = self._clock()
            publish_windows(
                output,
                windows.publish(),
                partition=self.context.origin.partition,
                partitions=self.context.partitions,
                position=position,
                watermark=watermark,
            )
        if leaving:
            self._dropped_at = minute
            for message in windows.drop_gone():
                output.messages.setdefault(topics.ENRICH_STATE.name, []).append(message)
        for message in windows.changes():
            output.messages.setdefault(topics.ENRICH_STATE.name, []).append(message)
        output.watermark = watermark
        output.held = len(self.context.profiles)

    def _due(self) -> bool:
        """Whether changed windows are to be published before the watermark's minute is over."""
        return self._real_time and self._clock() - self._published_at >= PUBLISH_EVERY_S


def _increase(counts: dict[Key, int], key: Key, by: int = 1) -> None:
    counts[key] = counts.get(key, 0) + by
