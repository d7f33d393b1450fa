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

    async def ask(self, text: str) -> Judgement | None:
        """Its judgement; None where it is off, fails, is left alone for a while, or takes too long."""
        if self._endpoint is None or not text.strip():
            return None
        judging = asyncio.get_running_loop().run_in_executor(self._threads, self._endpoint.judge, text)
        try:
            return await asyncio.wait_for(judging, self._timeout_s)
        except NoAnswer as error:
            log.warning("language_model_did_not_judge", reason=error.reason, error=str(error))
        except TimeoutError:
            log.warning("language_model_did_not_judge", reason="failed", error="It takes too long.")
        return None

    def close(self) -> None:
        """Ask no more; what is under way ends by itself."""
        if self._endpoint is not None and self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._endpoint.close()
