"""In SQL, which person a user of the table ``events`` is."""

from __future__ import annotations

from typing import Final

PERSON_IDS: Final = "person_distinct_ids"

PERSON_OF_USER: Final = f"""
    SELECT user, argMax(person_user, revision) AS person
    FROM {PERSON_IDS} WHERE project = {{project:String}}
    GROUP BY user HAVING person != user
"""
"""By number (``user`` of the table ``events``), those users who are another one's person.

They are few beside all users, and users are few beside events: group by ``user`` first, then join this.
"""

PERSON_OF_ID: Final = f"""
    SELECT distinct_id, argMax(person, revision) AS person
    FROM {PERSON_IDS} WHERE project = {{project:String}}
    GROUP BY distinct_id HAVING person != distinct_id
"""
"""The same by distinct_id."""
