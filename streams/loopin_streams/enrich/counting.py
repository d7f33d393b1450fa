"""Events that passed into profiles and windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.profile import Profile
from loopin_streams.anomalies.detector import Detector
from loopin_streams.behaviour.habits import HabitCounter
from loopin_streams.kafka.job import Message
from loopin_streams.learning.foresight import Foresight
from loopin_streams.projects.project import Projects
from loopin_streams.state.profile_updates import absorb_money, absorb_time
from loopin_streams.state.profiles import Profiles
from loopin_streams.windows.grains import LATENESS_MS, MINUTE, code_gone
from loopin_streams.windows.open_windows import OpenWindows
from loopin_streams.windows.tally import Group, Money, Tally, count_user

FEW_WINDOWS: Final = 8
"""A profile that names no more counted windows than this is not worth tidying."""


class Passed(Protocol):
    """An event with its user's key and profile and its decoded properties."""

    @property
    def key(self) -> bytes: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def enriched(self) -> EnrichedEvent: ...
    @property
    def properties(self) -> dict[str, Any]: ...


def count_events(
    events: Sequence[Passed],
    profiles: Profiles,
    windows: OpenWindows,
    projects: Projects,
    foresight: Foresight,
    detector: Detector,
) -> list[Message]:
    """Advance profiles, windows and watermark by one batch, in order; the profiles to publish.

    The sessions in the profiles have been followed already.

    The events are judged by the watermark before them, which then becomes the greatest min(event time,
    append time) less the allowed lateness: so one clock that runs ahead closes nothing. A clock far behind,
    or an import of old events, holds nothing open either: what arrives an hour after its minute is late by
    its arrival, so the watermark follows the append time at that distance.
    """
    tally = Tally(windows, projects)
    newest = 0
    users: dict[bytes, tuple[Profile, list[tuple[int, Group, Money | None]]]] = {}
    came: dict[bytes, int] = {}
    follow, watch = foresight.follow, detector.follow
    count_habits = HabitCounter(projects.zone).count
    for passed in events:
        event = passed.enriched
        at, received = event.timestamp, event.received_at
        of_user = users.get(passed.key)
        if of_user is None:
            of_user = users[passed.key] = passed.profile, []
        counted = tally.add(event, passed.properties)
        of_user[1].append((at, *counted))
        came[passed.key] = received
        # Not of bots, the project's own people, and machines.
        if counted[0].plan.distinct:
            follow(passed.key, of_user[0], event, passed.properties)
            count_habits(of_user[0], event, passed.properties)
            watch(passed.key, of_user[0], event, passed.properties)
        earlier = at if at < received else received
        if earlier > newest:
            newest = earlier
    for profile, of_user_events in users.values():
        _absorb(profile, of_user_events, windows.watermark)
    tally.settle()
    if events:
        arrived = events[-1].enriched.received_at
        windows.advance(max(newest, arrived - MINUTE.keep_ms) - LATENESS_MS)
    changed = [(key, profile) for key, (profile, _) in users.items()]
    foresight.score([(key, profile, came[key]) for key, profile in changed])
    detector.settle()
    return profiles.save(changed)


def _absorb(
    profile: Profile, events: Sequence[tuple[int, Group, Money | None]], watermark: int | None
) -> None:
    counted = profile.counted
    if not counted:
        # The default of the struct is shared.
        counted = profile.counted = {}
    elif len(counted) > FEW_WINDOWS and watermark is not None:
        counted = profile.counted = {
            code: bits for code, bits in counted.items() if not code_gone(code, watermark)
        }
    last: Group | None = None
    for at, group, moved in events:
        absorb_time(profile, at)
        if group is not last:
            count_user(counted, group)
            last = group
        if moved is not None:
            absorb_money(profile, *moved)
