"""The language model's opinion, for requests that wait for it only so long."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog

from loopin_text.opinion.endpoint import Endpoint, Judgement, NoAnswer
from loopin_text.opinion.endpoint.endpoint import AT_ONCE

log = structlog.get_logger(__name__)


class LanguageModel:
    """Asks an endpoint in threads of its own: one that hangs takes none that other requests need.

    Args:
        endpoint: whom to ask; None where it is off.
        timeout_s: longest wait of a request, in seconds.
    """

    def __init__(self, endpoint: Endpoint | None, timeout_s: float) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(AT_ONCE, "language-model") if endpoint else None
        self._under_way = 0

    async def ask(self, text: str) -> Judgement | None:
        """Its judgement; None where it is off, busy, fails, is left alone for a while, or takes too long."""
        if self._endpoint is None or not text.strip() or self._under_way >= AT_ONCE:
            return None
        self._under_way += 1
        judging = asyncio.get_running_loop().run_in_executor(self._threads, self._endpoint.judge, text)
        judging.add_done_callback(self._done)
        try:
            # Who waits no longer does not end the call: its thread is taken until it ends by itself.
            return await asyncio.wait_for(asyncio.shield(judging), self._timeout_s)
        except NoAnswer as error:
            if error.reason == "failed":
                log.warning("language_model_did_not_judge", error=str(error))
        except TimeoutError:
            log.warning("language_model_did_not_judge", error="The endpoint takes too long.")
        return None

    def _done(self, judging: asyncio.Future[Judgement]) -> None:
        self._under_way -= 1
        if not judging.cancelled():
            judging.exception()  # somebody has seen it, also where nobody waits any more

    def close(self) -> None:
        """Ask no more; what is under way ends by itself."""
        if self._endpoint is not None and self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._endpoint.close()
