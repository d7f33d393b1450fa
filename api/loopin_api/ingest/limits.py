"""How much a key, a project and a stranger may send, and the headers that tell them.

Counted in fixed windows, in this process's memory: one number for each, whatever a batch's size, and a reset
that is exact. The headers are ``RateLimit-Limit``, ``-Remaining`` and ``-Reset``, which clients read today;
the one structured field of the newer IETF drafts still changes from draft to draft.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from math import ceil
from typing import Final

from limits import RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from loopin_api.auth import Caller
from loopin_api.errors import ApiError
from loopin_api.settings import ApiSettings

DAY_S: Final = 86_400


class Limits:
    """The limits of one application.

    ``clock`` gives the time in seconds since 1970; days are days of UTC.
    """

    def __init__(self, settings: ApiSettings, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._storage = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self._storage)
        self._rate = RateLimitItemPerMinute(settings.rate_limit_events_per_minute)
        self._bytes = RateLimitItemPerMinute(settings.rate_limit_bytes_per_minute)
        self._failures = RateLimitItemPerMinute(settings.rate_limit_failures_per_minute)
        quota = settings.quota_events_per_day
        self._quota = RateLimitItemPerDay(quota) if quota else None

    async def charge(self, caller: Caller, events: int) -> Mapping[str, str]:
        """Count a request with so many events; gives the headers of its answer.

        A request is taken whole while anything is left, so that one larger than what is left is not
        refused for ever.

        Raises:
            ApiError: 429 when the key has used its minute up, 402 when the project has its day.
        """
        who = ("events", caller.key_id)
        if not await self._windows.test(self._rate, *who):
            raise await self._used_up(self._rate, f"This key may send {self._rate.amount} events", *who)
        await self._charge_quota(caller.project, events)
        await self._windows.hit(self._rate, *who, cost=events)
        return await self.headers(caller)

    async def charge_bytes(self, key: str, size: int) -> None:
        """Count a body of so many bytes, also one that is refused later: reading it costs as much.

        Raises:
            ApiError: 429 when the key has used its minute up.
        """
        await self._charge_bytes("This key", "bytes", key, size)

    async def charge_stranger(self, address: str, size: int) -> None:
        """The same for an address, whose key may stand in the body.

        Raises:
            ApiError: 429.
        """
        await self._charge_bytes(
            "This address, without a valid key,", "strange bytes", network_of(address), size
        )

    async def excuse_stranger(self, address: str, size: int) -> None:
        """A key was found in the body that ``charge_stranger`` counted: it is not the address's."""
        await self._storage.decr(self._bytes.key_for("strange bytes", network_of(address)), size)

    async def _charge_bytes(self, who: str, kind: str, name: str, size: int) -> None:
        if not await self._windows.test(self._bytes, kind, name):
            raise await self._used_up(self._bytes, f"{who} may send {self._bytes.amount} bytes", kind, name)
        await self._windows.hit(self._bytes, kind, name, cost=size)

    async def _used_up(self, limit: RateLimitItemPerMinute, sentence: str, *who: str) -> ApiError:
        return ApiError(
            429,
            "RATE_LIMITED",
            f"{sentence} a minute; wait as long as Retry-After says.",
            headers={"Retry-After": str(await self._reset(limit, *who))},
        )

    async def check_stranger(self, address: str) -> None:
        """After a request without a valid key: whether its address may send another.

        Raises:
            ApiError: 429 for an address with too many failures.
        """
        who = ("failures", network_of(address))
        if not await self._windows.test(self._failures, *who):
            reset = await self._reset(self._failures, *who)
            raise ApiError(
                429,
                "TOO_MANY_FAILURES",
                "Too many requests from this address had no valid key; correct the key, then wait.",
                headers={"Retry-After": str(reset)},
            )

    async def count_failure(self, address: str) -> None:
        """An address sent no valid key."""
        await self._windows.hit(self._failures, "failures", network_of(address))

    async def _charge_quota(self, project: str, events: int) -> None:
        if self._quota is None:
            return
        day = str(int(self._clock() // DAY_S))
        if not await self._windows.test(self._quota, project, day):
            raise ApiError(
                402,
                "QUOTA_SPENT",
                f"The project may send {self._quota.amount} events a day, and has; raise "
                "LOOPIN_QUOTA_EVENTS_PER_DAY, or send the rest tomorrow.",
            )
        await self._windows.hit(self._quota, project, day, cost=events)

    async def headers(self, caller: Caller) -> Mapping[str, str]:
        """What tells a caller how many events it may still send in this minute."""
        who = ("events", caller.key_id)
        stats = await self._windows.get_window_stats(self._rate, *who)
        return {
            "RateLimit-Limit": str(self._rate.amount),
            "RateLimit-Remaining": str(max(0, stats.remaining)),
            "RateLimit-Reset": str(await self._reset(self._rate, *who)),
        }

    async def _reset(self, limit: RateLimitItemPerMinute, *who: str) -> int:
        """Whole seconds until the window ends, at least 1."""
        stats = await self._windows.get_window_stats(limit, *who)
        return max(1, ceil(stats.reset_time - self._clock()))


def network_of(address: str) -> str:
    """Whom an address stands for: an IPv6 client has a whole /64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
