"""The live feed over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from fastapi import WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from loopin_api.auth import BEARER, Caller, forbidden, without_key
from loopin_api.errors import ApiError
from loopin_api.live.clients import End, Live, still
from loopin_api.live.frame import Message
from loopin_api.live.subscription import Subscription
from loopin_api.live.wanted import CHOICES, wanted_of
from loopin_api.services import Services

PROTOCOL: Final = "loopin.live"
"""The subprotocol to offer beside the one with the token, so that the answer need not repeat that."""

TOKEN: Final = "bearer."
"""What the subprotocol with the token begins with."""

LAST_ID: Final = "last_event_id"

CLOSING, POLICY, TRY_AGAIN = 1012, 1008, 1013
UNAUTHENTICATED, FORBIDDEN = 4401, 4403
"""Close codes, the last two as HTTP's."""

_MAX_REASON: Final = 123
"""Longest reason of a close frame, in bytes (RFC 6455, section 5.5)."""


async def serve_socket(socket: WebSocket, use: Services) -> None:
    """Talk with a client until one of both goes; what is wrong is told by the close code and its reason."""
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(PROTOCOL if PROTOCOL in offered else next(iter(offered), None))
    try:
        header = _authorization(socket, offered)
        caller = await _caller(socket, use, header)
        wanted = wanted_of(_parameters(socket))
        last_id = socket.query_params.get(LAST_ID) or None
        with use.live.listening(caller.project, wanted, last_id, "websocket") as client:
            allowed = still(lambda: use.authenticator.authenticate(header).may("read"))
            end = await _serve(socket, use.live, client, allowed)
    except ApiError as error:
        await _close(socket, _code(error), _reason(error))
        return
    except (TimeoutError, WebSocketDisconnect):
        return
    if end == "refused":
        await _close(socket, UNAUTHENTICATED, "The token or key is good no more; use another.")
    elif end == "closing":
        await _close(socket, CLOSING, "The server ends; come back with the last id.")


async def _serve(socket: WebSocket, live: Live, client: Subscription, allowed: Callable[[], bool]) -> End:
    async def write(messages: Sequence[Message]) -> None:
        for message in messages or [Message("heartbeat", client.id, b"null")]:
            await socket.send_text(_text(message))

    leaving = asyncio.create_task(_until_gone(socket, client))
    try:
        await write(())
        return await live.serve(client, write, allowed)
    finally:
        leaving.cancel()


def _text(message: Message) -> str:
    return f'{{"type":"{message.kind}","id":"{message.id}","data":{message.data.decode()}}}'


async def _until_gone(socket: WebSocket, client: Subscription) -> None:
    """Whatever the client says is passed over."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    client.end()


def _authorization(socket: WebSocket, offered: Sequence[str]) -> str:
    """The header, or what stands for it where a page cannot set one."""
    header: str | None = socket.headers.get("authorization")
    if header is not None:
        return header
    token = next((name.removeprefix(TOKEN) for name in offered if name.startswith(TOKEN)), None)
    if token is None:
        raise without_key(f"{BEARER[:-1]}, or offer the subprotocol {TOKEN}<token>.")
    return f"Bearer {token}"


async def _caller(socket: WebSocket, use: Services, header: str) -> Caller:
    caller = await use.intake.by_bearer(socket, header)
    if not caller.may("read"):
        raise forbidden("read")
    use.intake.origins.check(socket, caller.project)
    return caller


def _parameters(socket: WebSocket) -> dict[str, str]:
    known = {*CHOICES, LAST_ID}
    unknown = sorted(set(socket.query_params) - known)
    if unknown:
        reason = f"There is no parameter {unknown[0][:40]!r}; use {', '.join(sorted(known))}."
        raise ApiError(422, "VALIDATION_ERROR", reason)
    return dict(socket.query_params)


def _code(error: ApiError) -> int:
    by_status = {401: UNAUTHENTICATED, 403: FORBIDDEN, 429: TRY_AGAIN, 503: TRY_AGAIN}
    return by_status.get(error.status, POLICY)


def _reason(error: ApiError) -> str:
    return " ".join(f"{one.field}: {one.reason}" for one in error.details) or error.message


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))
