from __future__ import annotations

from loopin_streams.enrich.draft import Context, Draft, Drop
from loopin_streams.enrich.seen import uuid_hash
from loopin_streams.enrich.steps.duplicate import drop_duplicates
from tests.streams.enrich.drafts import body, context, draft_before


def numbered(number: int) -> str:
    return f"01a2b3c4-0000-7000-8000-{number:012d}"


def drafts(at: Context, *identities: tuple[str, int]) -> list[Draft]:
    return [
        draft_before("duplicate", body(project=project, uuid=numbered(number)), at=at)
        for project, number in identities
    ]


def test_the_first_of_several_in_one_batch_passes() -> None:
    at = context()
    found = drafts(at, ("demo", 1), ("demo", 2), ("demo", 1), ("demo", 1))
    drop_duplicates(found, at)
    assert [draft.outcome for draft in found] == [None, None, Drop("duplicate"), Drop("duplicate")]
    assert found[0].uuid_hash == uuid_hash("demo", numbered(1))


def test_what_an_earlier_batch_committed_is_dropped() -> None:
    at = context()
    at.seen.add([uuid_hash("demo", numbered(1))], 1)
    found = drafts(at, ("demo", 1), ("demo", 2))
    drop_duplicates(found, at)
    assert [draft.outcome for draft in found] == [Drop("duplicate"), None]


def test_another_projects_uuid_is_another_event() -> None:
    at = context()
    found = drafts(at, ("demo", 1), ("shop", 1))
    drop_duplicates(found, at)
    assert [draft.outcome for draft in found] == [None, None]


def test_the_case_of_a_uuid_does_not_matter() -> None:
    at = context()
    upper = draft_before("duplicate", body(uuid="01A2B3C4-0000-7000-8000-00000000000F"), at=at)
    lower = draft_before("duplicate", body(uuid="01a2b3c4-0000-7000-8000-00000000000f"), at=at)
    drop_duplicates([upper, lower], at)
    assert (upper.outcome, lower.outcome) == (None, Drop("duplicate"))


def test_looking_does_not_remember() -> None:
    at = context()
    for _ in range(2):
        found = drafts(at, ("demo", 1))
        drop_duplicates(found, at)
        assert found[0].outcome is None


def test_an_empty_batch_is_fine() -> None:
    drop_duplicates([], context())
