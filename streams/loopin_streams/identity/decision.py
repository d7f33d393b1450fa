"""What becomes of one request; the rules are those that PostHog documents."""

from __future__ import annotations

from typing import NamedTuple

from loopin_schemas.identity import LinkRequest, Outcome, Person, Refusal
from loopin_streams.identity.components import MAX_IDS, identified, join, split


class Decision(NamedTuple):
    """The persons as they are from now on, and what goes to the journal.

    ``persons`` holds those that have changed; ``gone`` is the distinct_id whose person is part of another
    now. Of a request that changes no person but may say that an id is a user's, ``outcome`` is None.
    ``person`` names the person of ``moved``, ``kept`` are the others of the person that they joined or left.
    """

    persons: tuple[Person, ...] = ()
    gone: str | None = None
    outcome: Outcome | None = None
    reason: Refusal | None = None
    person: str = ""
    moved: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def decide(request: LinkRequest, into: Person, other: Person | None) -> Decision:
    """Whether two persons become one, or one of them two.

    ``into`` is the person of the request's distinct_id, ``other`` that of its other id, if it has one.
    The one person keeps the name of ``into``. An id is identified once it was the distinct_id of an
    ``$identify``, or of an alias or merge that was granted; a person of an identified id is joined to another
    one by ``$merge_dangerously`` only.
    """
    if request.kind == "unmerge":
        return _unmerge(request, into)
    marked = identified(into, request.distinct_id) if request.kind == "identify" else into
    said = () if marked is into else (marked,)
    if request.problem is not None:
        return Decision(said, outcome="refused", reason="other_id_invalid", person=into.distinct_ids[0])
    if other is None or request.other is None or other.distinct_ids[0] == into.distinct_ids[0]:
        return Decision(said)
    reason = _refusal(request, into, other)
    if reason is not None:
        return Decision(said, outcome="refused", reason=reason, person=into.distinct_ids[0])
    one = join(identified(into, request.distinct_id), other, request.id, request.distinct_id, request.other)
    return Decision(
        (one,),
        gone=other.distinct_ids[0],
        outcome="merged",
        person=one.distinct_ids[0],
        moved=tuple(other.distinct_ids),
        kept=tuple(into.distinct_ids),
    )


def _refusal(request: LinkRequest, into: Person, other: Person) -> Refusal | None:
    if other.identified and request.kind != "merge":
        return "already_identified"
    if len(into.distinct_ids) + len(other.distinct_ids) > MAX_IDS:
        return "too_many_ids"
    return None


def _unmerge(request: LinkRequest, person: Person) -> Decision:
    if all(link.id != request.merge_id for link in person.links):
        return Decision(outcome="refused", reason="no_such_merge", person=person.distinct_ids[0])
    kept, moved = split(person, request.merge_id or "")
    return Decision(
        (kept, moved),
        outcome="unmerged",
        person=moved.distinct_ids[0],
        moved=tuple(moved.distinct_ids),
        kept=tuple(kept.distinct_ids),
    )
