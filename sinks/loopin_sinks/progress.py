"""What the sink writes beside its committed offset: the range that it is about to insert."""

from __future__ import annotations

import msgspec

from loopin_schemas.codec import decode, encode


class Progress(msgspec.Struct, omit_defaults=True):
    """Metadata of a committed offset.

    The rows before the offset are stored. Those from the offset up to ``end`` (exclusive) may be stored in
    part: whoever takes the partition over asks the store which are, and inserts the others, as one range.
    So it does afterwards, range by range, with those up to ``doubtful_to`` (exclusive), which sinks have
    stored whose notes are gone.

    ``stored_ms`` (epoch ms) is when the broker got the last record before the offset, where a sink notes it.
    """

    topic_id: str
    end: int | None = None
    doubtful_to: int | None = None
    stored_ms: int | None = None

    def text(self) -> str:
        """As Kafka keeps it."""
        return encode(self).decode()

    @classmethod
    def of(cls, text: str) -> Progress | None:
        """What an earlier sink wrote; None where there is nothing of ours."""
        try:
            return decode(text.encode(), cls)
        except (msgspec.DecodeError, ValueError):
            return None
