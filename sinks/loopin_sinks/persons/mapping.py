"""In SQL, which person a user of the table ``events`` is."""

from __future__ import annotations

from typing import Final

from loopin_schemas.identity import PERSONS_NAMESPACE

PERSON_IDS: Final = "person_distinct_ids"

PERSON_OF_USER: Final = f"""
    SELECT user, argMax(person_user, revision) AS person
    FROM {PERSON_IDS} WHERE project = {{project:String}}
    GROUP BY user HAVING person != user
"""
"""By number (``user`` of the table ``events``), those users who are another one's person.

They are few beside all users, and users are few beside events: group by ``user`` first, then join this.
"""

LINKED_USERS: Final = f"SELECT arrayJoin([user, person]) AS user FROM ({PERSON_OF_USER})"
"""The users who share a person with others; of all the rest there is nothing to put together."""

PERSON_OF_ID: Final = f"""
    SELECT distinct_id, argMax(person, revision) AS person
    FROM {PERSON_IDS} WHERE project = {{project:String}}
    GROUP BY distinct_id HAVING person != distinct_id
"""
"""The same by distinct_id."""

LINKED: Final = f"""
    SELECT (arrayPushBack(groupArray(distinct_id), ''), arrayPushBack(groupArray(person), ''))
    FROM ({PERSON_OF_ID})
"""
"""One row: the distinct_ids of ``PERSON_OF_ID`` and their persons, as constants for ``transform``, so that a
query which reads events in their order need not join. An id is never ``''``, and no array may be empty."""

LINKED_NUMBERS: Final = f"""
    SELECT (arrayPushBack(groupArray(user), toUInt64(0)), arrayPushBack(groupArray(person), toUInt64(0)))
    FROM ({PERSON_OF_USER})
"""
"""The same of ``PERSON_OF_USER``, by number: of hundreds of thousands of pairs of a user and something a join
takes several times as long."""


def linked_of(users: str) -> str:
    """``LINKED``, of no more than the users that a query gives: a project may have far more of them."""
    chosen = PERSON_OF_ID.replace("GROUP BY", f"AND user IN ({users}) GROUP BY", 1)
    return LINKED.replace(PERSON_OF_ID, chosen)


def person_number(user: str, linked: str) -> str:
    """In SQL, the number of a user's person, where ``linked`` is the value of ``LINKED_NUMBERS``."""
    return f"transform({user}, {linked}.1, {linked}.2, {user})"


def person_name(distinct_id: str, linked: str) -> str:
    """In SQL, what names the person of a distinct_id, where ``linked`` is the value of ``LINKED``."""
    return f"transform({distinct_id}, {linked}.1, {linked}.2, {distinct_id})"


def person_uuid(project: str, name: str) -> str:
    """In SQL, the text of ``loopin_schemas.identity.person_id``."""
    digest = f"lower(hex(SHA1(concat(unhex('{PERSONS_NAMESPACE.hex}'), {project}, ':', {name}))))"
    # Version 5, and of the digit after it the two highest bits are 10.
    digit = f"position('0123456789abcdef', substring({digest}, 17, 1)) - 1"
    parts = (
        f"substring({digest}, 1, 8), '-', substring({digest}, 9, 4)",
        f"'-5', substring({digest}, 14, 3)",
        f"'-', substring('89ab', modulo({digit}, 4) + 1, 1), substring({digest}, 18, 3)",
        f"'-', substring({digest}, 21, 12)",
    )
    return f"concat({', '.join(parts)})"
