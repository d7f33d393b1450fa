"""What the tests of the running system take as stored."""

from __future__ import annotations

from tests.e2e.receiving import MARK, Receiving, Row


class Slow(Receiving):
    """A system whose store gets a user's second event only while the mark is on its way."""

    def _exported(self) -> list[Row]:
        return STORED.pop(0) if len(STORED) > 1 else STORED[0]

    def _mark(self, distinct_id: str) -> str:
        return f"mark-{distinct_id}"


def row(user: str, event: str, uuid: str) -> Row:
    return {"distinct_id": user, "event": event, "uuid": uuid, "timestamp": uuid}


ONE, MARKED = row("a", "click", "1"), row("a", MARK, "mark-a")
STORED = [[], [ONE], [ONE, ONE], [ONE, ONE, row("b", MARK, "mark-a")], [ONE, ONE, MARKED]]


def test_an_event_that_comes_twice_is_seen_twice_and_the_mark_is_not_seen() -> None:
    assert Slow("http://nowhere", []).rows(["a"], 1) == [ONE, ONE]
    assert STORED == [[ONE, ONE, MARKED]]
