"""Which errors are one: those of the same code, whatever differs from one run or request to the next."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loopin_text.fingerprint import normalised_frame, normalised_message, of_event, of_exceptions, of_log
from loopin_text.stack_trace import Frame

CODE = """
def price(item):
    return {"tea": 3}[item]

def total(items, depth=0):
    if depth:
        return total(items, depth - 1)
    return sum(price(item) for item in items)

def other(items):
    return [price(item) for item in items]
"""


def shop(folder: Path, before: str = "") -> ModuleType:
    """The shop's module, as it lies in a folder, with something before its code."""
    folder.mkdir(parents=True)
    path = folder / "views.py"
    path.write_text(before + CODE)
    module = ModuleType("views")
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    return module


def trace_of(function: Any, *given: Any) -> tuple[str, str]:
    """Message and stack of the error that a call raises, without the frames of this file."""
    with pytest.raises((KeyError, TypeError)) as raised:
        function(*given)
    error = raised.value
    shown = traceback.TracebackException(type(error), error, raised.tb.tb_next)
    return str(error), "".join(shown.format())


def test_an_error_stays_the_same_from_release_to_release(tmp_path: Path) -> None:
    first = shop(tmp_path / "releases/20260115" / "shop")
    second = shop(tmp_path / "releases/20260116" / "shop", before="# A line more.\n" * 40)
    known = of_log(*trace_of(first.total, ["coffee"]))
    assert len(known) == 32
    assert of_log(*trace_of(second.total, ["a whole cake"])) == known
    assert of_log(*trace_of(first.total, ["coffee"], 3)) == of_log(*trace_of(first.total, ["coffee"], 9))
    assert of_log(*trace_of(first.other, ["coffee"])) != known, "another way through the code"
    assert of_log(*trace_of(first.total, [["unhashable"]])) != known, "another type"


def test_a_stack_counts_and_not_its_message() -> None:
    stack = "TypeError: {}\n    at total (https://{}/static/main.{}.js:1:{})"
    known = of_log("one", stack.format("of undefined", "a.example", "3f2a9c1b", 2345))
    assert of_log("two", stack.format("of null", "b.example:8080", "77d0e1aa", 99)) == known
    assert (
        of_log("one", stack.replace("TypeError", "RangeError").format("", "a.example", "3f2a9c1b", 1))
        != known
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("User 42 not found", "User 9071 not found"),
        ("No order 0190f3a2-5c0e-7c3a-9b7e-0d6f2f6b7a10.", "No order 01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a11."),
        ("object at 0x7f3a2b, gone", "object at 0x55e0ff01, gone"),
        ('key "a b" is unknown', 'key "c" is unknown'),
        ("GET https://a.example/x?y=1 failed", "GET https://b.example/z failed"),
        ("took 1.5 s, limit 2", "took 12 s, limit 20"),
        ("mail to ann@example.com bounced", "mail to bo.b@mail.example.org bounced"),
        ("at 2026-01-15 10:30:00", "at 2025-12-01 09:00:59"),
        ("commit 3f2a9c1b  failed", "commit 77d0e1aa failed"),
    ],
)
def test_messages_that_are_one(one: str, other: str) -> None:
    assert normalised_message(one) == normalised_message(other)
    assert of_log(one, "") == of_log(other, "Traceback...")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("User 42 not found", "Order 42 not found"),
        ("the facade failed", "the decade failed"),
        ("ValueError: no", "KeyError: no"),
    ],
)
def test_messages_that_are_two(one: str, other: str) -> None:
    assert of_log(one, "") != of_log(other, "")


@pytest.mark.parametrize(
    ("frame", "normalised"),
    [
        (Frame("/srv/releases/20260115/shop/views.py", "get"), "get@shop/views.py"),
        (Frame("C:\\app\\shop\\views.py", "get"), "get@shop/views.py"),
        (Frame("https://shop.example/static/main.3f2a9c1b.js?v=3", "a"), "a@static/main.#.js"),
        (Frame("/usr/lib/python3.11/json/decoder.py", "<lambda>"), "<lambda>@json/decoder.py"),
        (Frame("Cart.java", "com.acme.Cart$$Lambda$14/0x0000.run"), "com.acme.Cart#@Cart.java"),
        (Frame("", ""), "@"),
    ],
)
def test_frames(frame: Frame, normalised: str) -> None:
    assert normalised_frame(frame) == normalised


def exception(type: str, value: str, *functions: str, line: int = 1) -> dict[str, Any]:
    frames = [{"filename": "app/cart.js", "function": each, "lineno": line} for each in functions]
    return {"type": type, "value": value, "stacktrace": {"type": "raw", "frames": frames}}


def test_exceptions_as_posthogs_sdks_send_them() -> None:
    known = of_exceptions([exception("TypeError", "of 1", "total", "pay")])
    assert of_exceptions([exception("TypeError", "of 2", "total", "pay", line=7)]) == known
    assert of_exceptions([exception("TypeError", "of 1", "pay", "total")]) != known
    assert of_exceptions([exception("RangeError", "of 1", "total", "pay")]) != known
    assert of_exceptions([{"type": "E", "value": "of 1"}]) == of_exceptions([{"type": "E", "value": "of 2"}])


@pytest.mark.parametrize(
    "exceptions", [None, "x", [], [None, 3], [{"stacktrace": {"frames": [1, {"function": 2}]}}]]
)
def test_whatever_stands_in_their_place(exceptions: Any) -> None:
    assert len(of_exceptions(exceptions)) == 32


def test_what_is_no_error_has_none() -> None:
    assert of_event("click", {"message": "ValueError: no"}) is None
    assert of_event("error_logged", {"message": 3}) == of_log("", "")
