"""One way in for events of every shape: who sends them, how many they may, and what became of each."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from operator import and_
from typing import Final

from fastapi import Request
from msgspec import Raw
from starlette.requests import HTTPConnection

from loopin_api.auth import BEARER, Authenticator, Caller, forbidden, without_key
from loopin_api.delivery import Outgoing, Publisher, deliver
from loopin_api.errors import ApiError, unavailable
from loopin_api.ingest.acceptance import Accepted, Protect, accept
from loopin_api.ingest.bodies import Bodies
from loopin_api.ingest.circuit import Circuit
from loopin_api.ingest.claims import Claim
from loopin_api.ingest.client_side import Connection, connection
from loopin_api.ingest.held import Held
from loopin_api.ingest.incoming import name_of, sound
from loopin_api.ingest.limits import Limits, network_of
from loopin_api.ingest.origins import Origins
from loopin_api.ingest.receipts import Receipt, drop, retry
from loopin_api.ingest.refusals import Refusals
from loopin_api.ingest.turns import Aside, Turns
from loopin_api.instruments import Instruments
from loopin_api.settings import ApiSettings
from loopin_schemas import InvalidEvent
from loopin_schemas.validation import decoding_error

_NO_USER: Final = "Send the write key as the user of Authorization: Basic, with an empty password."


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes events and publishes them."""

    settings: ApiSettings
    authenticator: Authenticator
    publisher: Publisher
    bodies: Bodies
    limits: Limits
    origins: Origins
    protect: Protect
    refusals: Refusals
    circuit: Circuit
    held: Held | None
    aside: Aside
    instruments: Instruments

    async def by_header(self, request: Request, *, basic: bool = False) -> Caller | None:
        """The caller of the Authorization header: a bearer token or, with ``basic``, a write key as the user.

        None without the header: the key may stand in the body.

        Raises:
            ApiError: 401 or 429.
        """
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, credentials = header.partition(" ")
        if basic and scheme.lower() == "basic":
            return await self.by_key(request, basic_name(credentials), _NO_USER)
        return await self.by_bearer(request, header)

    async def by_bearer(self, request: HTTPConnection, header: str) -> Caller:
        """The caller of an Authorization header, which may have come in another way.

        Raises:
            ApiError: 401 or 429.
        """
        return await self._signed_in(request, lambda: self.authenticator.authenticate(header))

    async def by_key(self, request: Request, key: str | None, missing: str = BEARER) -> Caller:
        """The caller with the write key that stands elsewhere than in the header.

        ``missing`` is what to do where there is none.

        Raises:
            ApiError: 401 or 429.
        """

        def authenticate() -> Caller:
            if not key:
                raise without_key(missing)
            return self.authenticator.authenticate_key(key)

        return await self._signed_in(request, authenticate)

    async def _signed_in(self, request: HTTPConnection, authenticate: Callable[[], Caller]) -> Caller:
        # The key comes first: behind a load balancer everybody may have one address, and nobody with a valid
        # key is to be refused because somebody else has none.
        try:
            caller = authenticate()
        except ApiError:
            await self.limits.count_failure(self._address(request))
            await self.limits.check_stranger(self._address(request))
            raise
        request.state.caller = caller
        request.state.limit_headers = partial(self.limits.headers, caller)
        if counted := getattr(request.state, "body_bytes", 0):
            await self.limits.charge_bytes(caller.key_id, counted)
            await self.limits.excuse_stranger(self._address(request), counted)
        return caller

    def _address(self, request: HTTPConnection) -> str:
        return self.connection(request).address or ""

    @asynccontextmanager
    async def received(self, request: Request, limit: int | None = None) -> AsyncIterator[bytes]:
        """:meth:`~loopin_api.ingest.bodies.Bodies.received`, and counted before anything looks into it.

        Raises:
            ApiError: 429 besides.
        """
        async with self.bodies.received(request, limit) as body:
            await self.count_bytes(request, len(body))
            yield body

    async def count_bytes(self, request: Request, size: int) -> None:
        """Count so many more bytes of a request: for its key or, until that is known, for its address.

        Raises:
            ApiError: 429.
        """
        caller = _caller(request)
        if caller is not None:
            await self.limits.charge_bytes(caller.key_id, size)
        else:
            await self.limits.charge_stranger(self._address(request), size)
        request.state.body_bytes = getattr(request.state, "body_bytes", 0) + size

    async def sound(self, request: Request, body: bytes) -> bytes:
        """:func:`~loopin_api.ingest.incoming.sound`, while other requests go on.

        Raises:
            ApiError: 400 where too much of it would have to be replaced.
        """
        caller = _caller(request)
        whose = f"address {network_of(self._address(request))}" if caller is None else caller.key_id
        return await self.aside.run(whose, len(body), sound, body)

    async def admit(self, request: Request, caller: Caller, events: int) -> Mapping[str, str]:
        """Let a request with so many events in; gives the headers of its answer.

        Raises:
            ApiError: 402, 403, 429 or 503.
        """
        if not caller.may("ingest"):
            raise forbidden("ingest")
        self.origins.check(request, caller.project)
        if not self.settings.enabled:
            raise unavailable("ANALYTICS_DISABLED", "Tracking is switched off; set ANALYTICS_ENABLED=true.")
        if self.held is None and not self.circuit.admits():
            raise unavailable("BROKER_AWAY", "The broker does not answer; send the events again later.")
        return await self.limits.charge(caller, events)

    async def publish(
        self,
        caller: Caller,
        events: Sequence[Raw],
        claimed: Callable[[Raw], Claim],
        *,
        receipts_are_read: bool = True,
    ) -> list[Receipt]:
        """Publish the caller's events that ``claimed`` reads; a receipt for each, in their order.

        Those that break a rule are left out, and cost the others nothing. Where the client reads no receipts
        and some events are accepted, so that it learns nothing of the others, these are published too, in a
        form that the stream makes dead letters of.
        """
        receipts: list[Receipt] = []
        accepted: list[Accepted] = []
        places: list[int] = []
        now_ms = now()
        turns = Turns()
        refused: list[int] = []
        for place, raw in enumerate(events):
            await turns.give_way()
            try:
                size = len(memoryview(raw))
                ready = await self.aside.run(caller.key_id, size, self._ready, claimed, raw, now_ms)
            except InvalidEvent as error:
                self.instruments.refused.labels(error.code).inc()
                receipts.append(drop(name_of(raw), error))
                refused.append(place)
            else:
                accepted.append(ready)
                places.append(place)
                receipts.append(ready.receipt)
        if accepted and not receipts_are_read:
            for place in refused:
                await turns.give_way()
                raw, receipt = events[place], receipts[place]
                size = len(memoryview(raw))
                letter = await self.aside.run(
                    caller.key_id, size, self.refusals.letter, caller.project, raw, claimed, receipt, now_ms
                )
                if letter is not None:
                    accepted.append(letter)
                    places.append(place)
        for place, receipt in zip(places, await self.send(accepted), strict=True):
            receipts[place] = receipt
        return receipts

    def _ready(self, claimed: Callable[[Raw], Claim], raw: Raw, now_ms: int) -> Accepted:
        try:
            return accept(claimed(raw), now_ms, self.protect)
        except RecursionError as error:
            raise decoding_error(error, bytes(raw), None) from None

    async def send(self, accepted: Sequence[Accepted]) -> list[Receipt]:
        """Publish records; a receipt for each, which says ``retry`` where nobody has it for sure."""
        receipts = await self._publish_or_keep(accepted) if accepted else []
        left = sum(one.result == "retry" for one in receipts)
        self.instruments.unacknowledged.inc(left)
        return receipts

    async def _publish_or_keep(self, accepted: Sequence[Accepted]) -> list[Receipt]:
        held = self.held
        if held is not None and not await held.emptied():
            return await held.keep(accepted)
        acknowledged = await self._publish(accepted)
        receipts = [
            one.receipt if done else retry(one.uuid) for one, done in zip(accepted, acknowledged, strict=True)
        ]
        if held is not None:
            left = [place for place, done in enumerate(acknowledged) if not done]
            kept = await held.keep([accepted[place] for place in left])
            for place, receipt in zip(left, kept, strict=True):
                receipts[place] = receipt
        return receipts

    async def _publish(self, accepted: Sequence[Accepted]) -> list[bool]:
        """Publish records; says of each whether the broker acknowledged it in time.

        None is tried while the circuit is open: only what is about to be published may be the probe.
        """
        number = self.circuit.begin()
        if number is None:
            return [False] * len(accepted)
        acknowledged: list[bool] = []
        try:
            records = [Outgoing(one.key, one.body) for one in accepted]
            acknowledged = await deliver(
                self.publisher,
                records,
                self.settings.publish_timeout_s,
                lambda: self.circuit.hopeless(number),
            )
        finally:
            self.circuit.end(number, acknowledged)
        taken = [one.receipt.result != "drop" for one in accepted]
        self.instruments.accepted.inc(sum(map(and_, taken, acknowledged)))
        return acknowledged

    def connection(self, request: HTTPConnection) -> Connection:
        """The client's end of the request."""
        return connection(request, self.settings.trusted_proxies)


def _caller(request: Request) -> Caller | None:
    """Who sent it, once that is known."""
    found: Caller | None = getattr(request.state, "caller", None)
    return found


def basic_name(credentials: str) -> str:
    """The user name of Basic credentials (RFC 7617); empty where they are none."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def now() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000
