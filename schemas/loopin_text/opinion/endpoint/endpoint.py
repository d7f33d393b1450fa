"""Asks the endpoint, or does not."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal, Protocol, TypeVar

from loopin_text.opinion.endpoint.breaker import Breaker
from loopin_text.opinion.endpoint.budget import Budget
from loopin_text.opinion.endpoint.client import ChatClient, EndpointFailed, TextRefused
from loopin_text.opinion.endpoint.reply import Judgement, UnreadableReply, estimated_tokens, read, request
from loopin_text.opinion.method import Scored
from loopin_text.pii import Scrubber
from loopin_text.sentiment import scored_part

AT_ONCE: Final = 2
"""Calls under way at one time; who comes then gets no answer: a slow endpoint holds up nobody."""

CACHED: Final = 4_096
"""Judgements that are remembered, least recently used out first; and so many texts that got none."""

TRIES: Final = 3
"""How often a text is sent that is refused, or that gets an unreadable answer; then no more."""

REFUSALS: Final = 20
"""Texts in a row that may be refused before that counts as a failure of the endpoint."""

Said = TypeVar("Said")

Reason = Literal["busy", "budget", "circuit", "failed", "given_up"]
"""Why there is no judgement: two calls are under way, the day's are spent, it fails, or with this text."""


class NoAnswer(Exception):
    """The endpoint was not asked, or has not judged; the message says why, never with the text or the key."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class EndpointOptions:
    """Which endpoint, and how much of it."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0
    calls_per_day: int = 1_000
    tokens_per_day: int = 500_000


class Poster(Protocol):
    """See ``ChatClient``."""

    def post(self, body: Mapping[str, Any]) -> bytes: ...

    def close(self) -> None: ...


class Endpoint:
    """A language model's judgements, within time and budget. Safe to share between threads.

    Personal data that ``loopin_text.pii`` finds is replaced before a text is sent.

    Args:
        options: which endpoint.
        client: sends the requests; by default over HTTP.
        now: epoch seconds, for the budget's days.
        clock: seconds from any beginning, for the circuit breaker.
    """

    name = "openai"

    def __init__(
        self,
        options: EndpointOptions,
        client: Poster | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = options.model
        self._client = client or ChatClient(options.base_url, options.api_key, options.timeout_s)
        self._budget = Budget(options.calls_per_day, options.tokens_per_day)
        self._breaker = Breaker()
        self._scrubber = Scrubber()
        self._now = now
        self._clock = clock
        self._known: OrderedDict[bytes, Judgement] = OrderedDict()
        self._in_vain: OrderedDict[bytes, int] = OrderedDict()
        self._under_way = 0
        self._refused = 0
        self._lock = threading.Lock()

    def score(self, text: str) -> Scored | None:
        """Its judgement as that of any method; None where there is none."""
        try:
            judgement = self.judge(text)
        except NoAnswer:
            return None
        return Scored(judgement.score, judgement.sentiment, (judgement.score,))

    def judge(self, text: str) -> Judgement:
        """What the language model says of the text's scored part; takes up to the timeout.

        Raises:
            NoAnswer: it was not asked, or has not judged.
        """
        sent = self._scrubber.text(scored_part(text)).encode("utf-8", "replace").decode()
        key = blake2b(sent.encode(), digest_size=16).digest()
        estimated = estimated_tokens(sent)
        with self._lock:
            if known := self._known.get(key):
                self._known.move_to_end(key)
                return known
            if self._in_vain.get(key, 0) >= TRIES:
                raise NoAnswer("given_up", f"The endpoint has not judged this text in {TRIES} tries.")
            self._admit(estimated)
            self._under_way += 1
        try:
            judgement, used = read(self._client.post(request(self._model, sent)))
        except BaseException as error:
            # Whatever it is, the place among those under way is free again.
            with self._lock:
                self._under_way -= 1
                self._not_judged(error)
                if isinstance(error, TextRefused | UnreadableReply):
                    _remember(self._in_vain, key, self._in_vain.get(key, 0) + 1)
            if isinstance(error, EndpointFailed | UnreadableReply):
                raise NoAnswer("failed", f"The endpoint has not judged: {error}.") from error
            raise
        with self._lock:
            self._under_way -= 1
            self._breaker.succeeded()
            self._refused = 0
            if used is not None:
                self._budget.correct(self._now(), estimated, used)
            _remember(self._known, key, judgement)
        return judgement

    def _not_judged(self, error: BaseException) -> None:
        # One that refuses a text has answered, and others than who sent that share it. But one that takes no
        # text at all is set up wrongly.
        self._refused += isinstance(error, TextRefused)
        if isinstance(error, TextRefused) and self._refused < REFUSALS:
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._clock())

    def _admit(self, tokens: int) -> None:
        if self._under_way >= AT_ONCE:
            raise NoAnswer("busy", f"{AT_ONCE} calls of the endpoint are under way; ask again later.")
        if not self._breaker.admits(self._clock()):
            raise NoAnswer("circuit", "The endpoint has failed lately, and is left alone for a while.")
        if not self._budget.take(self._now(), tokens):
            self._breaker.not_tried()
            raise NoAnswer("budget", "The endpoint's budget of the day is spent; raise it, or ask tomorrow.")

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is left alone for a while, because it fails."""
        return self._breaker.is_open

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _remember(known: OrderedDict[bytes, Said], key: bytes, said: Said) -> None:
    known[key] = said
    known.move_to_end(key)
    if len(known) > CACHED:
        known.popitem(last=False)
