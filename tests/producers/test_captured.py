from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import pytest

from loopin_producers import default
from loopin_producers.captured import captured
from loopin_producers.context import identify_context, new_context

from .recorder import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_a_call_is_captured_when_it_has_returned(recorder: Recorder) -> None:
    @captured("report_built", properties={"kind": "weekly"}, distinct_id="user-1", client=recorder)
    def build(days: int) -> str:
        """Build it."""
        assert recorder.captured == []
        return "x" * days

    assert_type(build(3), str)
    assert build.__doc__ == "Build it."
    assert list(inspect.signature(build).parameters) == ["days"]
    one = recorder.only("report_built")
    assert one["distinct_id"] == "user-1"
    assert one["properties"].pop("duration_ms") >= 0
    assert one["properties"] == {"kind": "weekly"}


def test_properties_and_user_of_the_arguments(recorder: Recorder) -> None:
    @captured(
        "report_built",
        properties=lambda user, days: {"days": days},
        distinct_id=lambda user, days: f"user-{user}",
        client=recorder,
    )
    def build(user: int, days: int) -> int:
        return days

    assert build(17, days=3) == 3
    one = recorder.only("report_built")
    assert (one["distinct_id"], one["properties"]["days"]) == ("user-17", 3)


def test_an_exception_is_named_and_goes_on(recorder: Recorder) -> None:
    @captured("report_built", distinct_id="user-1", client=recorder)
    def build() -> None:
        raise LookupError("private")

    with pytest.raises(LookupError, match="private"):
        build()
    one = recorder.only("report_built")
    assert one["properties"]["error"] == "LookupError"
    assert "private" not in str(one)


async def test_a_coroutine_is_timed_to_its_end(recorder: Recorder) -> None:
    going = asyncio.Event()

    @captured("report_built", distinct_id="user-1", client=recorder)
    async def build(days: int) -> int:
        await going.wait()
        return days

    assert inspect.iscoroutinefunction(build)
    task = asyncio.ensure_future(build(3))
    await asyncio.sleep(0)
    assert recorder.captured == []
    going.set()
    assert_type(await task, int)
    assert await task == 3
    assert "error" not in recorder.only("report_built")["properties"]


async def test_a_cancelled_coroutine_says_so(recorder: Recorder) -> None:
    @captured("report_built", distinct_id="user-1", client=recorder)
    async def build() -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(build())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.only("report_built")["properties"]["error"] == "CancelledError"


def test_the_contexts_user_is_the_default(recorder: Recorder) -> None:
    @captured("report_built", client=recorder)
    def build() -> int:
        return 1

    assert build() == 1
    with new_context():
        identify_context("user-9")
        build()
    nobody, known = recorder.kept
    assert known.distinct_id == "user-9"
    assert len(nobody.distinct_id) == 36


def test_methods(recorder: Recorder) -> None:
    class Report:
        user = "user-2"

        @captured("report_built", distinct_id=lambda self, days: self.user, client=recorder)
        def build(self, days: int) -> int:
            return days

    assert Report().build(4) == 4
    assert recorder.only("report_built")["distinct_id"] == "user-2"


def fail(*_: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize("fault", [{"properties": fail}, {"distinct_id": fail}, {"distinct_id": "null"}])
def test_a_fault_of_the_capturing_stays_inside(recorder: Recorder, fault: dict[str, Any]) -> None:
    @captured("report_built", **{"distinct_id": "user-1", "client": recorder, **fault})
    def build() -> int:
        return 1

    assert build() == 1
    assert recorder.captured == []


def test_generators_are_refused(recorder: Recorder) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    async def slow_numbers() -> AsyncIterator[int]:
        yield 1

    for generator in (numbers, slow_numbers):
        with pytest.raises(TypeError, match="cannot time the generator"):
            captured("x", client=recorder)(generator)


def test_the_default_client_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(default, "_client", recorder)

    @captured("report_built", distinct_id="user-1")
    def build() -> None: ...

    build()
    assert len(recorder.captured) == 1
