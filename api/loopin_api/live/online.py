"""Who is online, asked once for all clients of a project."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from loopin_api.ids import answered_id
from loopin_api.queries.communities import Online, online
from loopin_schemas.codec import encode
from loopin_sinks.metric_values.scope import scope_of
from loopin_sinks.store import Store, StoreError
from loopin_streams.projects.project import Projects

log = structlog.get_logger(__name__)

EVERY_S: Final = 5.0
"""How often the store is asked."""

MAX_COMMUNITIES: Final = 100
"""Most communities in a message, those with the most members online."""


class OnlineWatch:
    """Asks the store about a project while somebody wants to know.

    Args:
        projects: how a project's events are counted.
        store: answers.
        clock: the time now, aware.
    """

    def __init__(self, projects: Projects, store: Store, clock: Callable[[], datetime]) -> None:
        self._projects = projects
        self._store = store
        self._clock = clock
        self._wanted: dict[str, int] = {}
        self._unwanted: dict[str, asyncio.Event] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def join(self, project: str, tell: Callable[[bytes], None]) -> None:
        """One more client wants to know; ``tell`` is given the state whenever the store was asked."""
        self._wanted[project] = self._wanted.get(project, 0) + 1
        if project not in self._unwanted:
            unwanted = self._unwanted[project] = asyncio.Event()
            task = asyncio.create_task(self._keep_asking(project, tell, unwanted))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    def leave(self, project: str) -> bool:
        """One fewer does; whether that was the last one."""
        self._wanted[project] -= 1
        if self._wanted[project]:
            return False
        del self._wanted[project]
        self._unwanted.pop(project).set()
        return True

    async def _keep_asking(
        self, project: str, tell: Callable[[bytes], None], unwanted: asyncio.Event
    ) -> None:
        failed = False
        while not unwanted.is_set():
            scope = scope_of(self._projects, project, self._clock())
            try:
                found = await online(self._store, scope, MAX_COMMUNITIES)
                if not unwanted.is_set():
                    tell(online_json(found))
                failed = False
            except StoreError as error:
                if not failed:
                    log.warning("online_unknown", project=project, reason=str(error))
                failed = True
            await _pause(unwanted)


async def _pause(unwanted: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY_S):
            await unwanted.wait()
    except TimeoutError:
        return


def online_json(found: Online) -> bytes:
    """The data of a message."""
    communities = [
        {"community_id": answered_id(community), "online_members": members}
        for community, members in found.communities
    ]
    return encode({"online_members": found.members, "communities": communities})
