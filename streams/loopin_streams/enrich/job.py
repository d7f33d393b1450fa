"""The enrichment as a job of the exactly-once runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from loopin_schemas import topics
from loopin_schemas.codec import decode, encode
from loopin_schemas.dead_letter import MAX_BODY_BYTES, MAX_KEY_BYTES, DeadLetter, fingerprint
from loopin_streams.enrich.draft import Context, Dlq, Draft, Drop, Origin
from loopin_streams.enrich.pipeline import run
from loopin_streams.enrich.seen import Seen
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.job import Output
from loopin_text.sentiment import TEXT_PROPERTIES


class EnrichJob:
    """From ``events.raw`` to ``events.enriched`` and ``events.dlq``."""

    name = "enrich"
    input = topics.RAW.name
    state_topic = topics.ENRICH_STATE.name
    history = (topics.SEEN.name,)

    def __init__(
        self, topic_prefix: str, *, text_properties: tuple[str, ...] = TEXT_PROPERTIES, sentiment: bool = True
    ) -> None:
        self._topic = topic_prefix + self.input
        self._text_properties = text_properties
        self._sentiment = sentiment

    def open(self, partition: int, topic_id: str, history: Mapping[str, Sequence[Record]]) -> EnrichAbsorber:
        """A partition's enrichment, with the uuids it has seen."""
        seen = Seen()
        seen.restore(history[topics.SEEN.name])
        origin = Origin(self._topic, topic_id, partition)
        return EnrichAbsorber(Context(origin, self._text_properties, self._sentiment, seen))


class EnrichAbsorber:
    """Enriches the records of one partition."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def absorb(self, records: Sequence[Record]) -> Output:
        """Run the pipeline; every record becomes an enriched event, a dead letter, or a counted drop."""
        drafts = [Draft(record) for record in records]
        passed = run(drafts, self._context)
        output = Output()
        output.counts.read = len(records)
        output.counts.passed = len(passed)
        if passed:
            output.messages[topics.ENRICHED.name] = [
                (topics.event_key(draft.event.project, draft.event.distinct_id), draft.body)
                for draft in passed
            ]
            seen = self._context.seen.add((draft.uuid_hash for draft in passed), passed[-1].received_at)
            output.add(topics.SEEN.name, None, seen)
        for draft in drafts:
            if draft.outcome is not None:
                self._leave_out(draft, draft.outcome, output)
        return output

    def _leave_out(self, draft: Draft, outcome: Drop | Dlq, output: Output) -> None:
        if isinstance(outcome, Drop):
            _count(output.counts.dropped, outcome.reason)
            return
        _count(output.counts.dead_lettered, outcome.reason)
        origin, record = self._context.origin, draft.record
        key = f"{origin.topic}:{origin.partition}:{record.offset}".encode()
        output.add(topics.DLQ.name, key, encode(dead_letter(draft, outcome, origin)))


def dead_letter(draft: Draft, outcome: Dlq, origin: Origin) -> DeadLetter:
    """The record as it goes to ``events.dlq``, with its bytes cut at 256 KB."""
    record = draft.record
    body = record.value or b""
    event = getattr(draft, "event", None)
    return DeadLetter(
        reason=outcome.reason,
        field=outcome.field,
        step=draft.step,
        message=outcome.message,
        topic=origin.topic,
        topic_id=origin.topic_id,
        partition=origin.partition,
        offset=record.offset,
        first_seen=record.timestamp,
        last_seen=record.timestamp,
        size=len(body),
        sha256=fingerprint(body),
        body=body[:MAX_BODY_BYTES],
        key=record.key[:MAX_KEY_BYTES] if record.key is not None else None,
        project=event.project if event is not None else _project_of(body),
    )


class _Project(msgspec.Struct):
    project: str


def _project_of(body: bytes) -> str | None:
    """The project of a body that is no event but may still say whose it is."""
    try:
        return decode(body[:MAX_BODY_BYTES], _Project).project[:64]
    except (ValueError, RecursionError):
        return None


def _count(counts: dict[str, int], reason: str) -> None:
    counts[reason] = counts.get(reason, 0) + 1
