"""Stack traces as languages print them; Python's are those of errors that are raised here."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_text.stack_trace import Frame, StackTrace, parsed, type_of

V8 = """TypeError: Cannot read properties of undefined (reading 'id')
    at Cart.total (https://shop.example/static/main.3f2a9c1b.js:1:2345)
    at async Object.<anonymous> (/srv/app/server.js:10:5)
    at Array.map (<anonymous>)
    at file:///srv/app/index.mjs:3:7"""
FIREFOX = """total@https://shop.example/static/main.js:1:2345
@https://shop.example/static/main.js:9:1"""
JAVA = """Exception in thread "main" java.lang.IllegalStateException: no cart 17
\tat com.acme.Shop$Cart.add(Cart.java:42)
\tat com.acme.Main.main(Unknown Source)
Caused by: java.io.IOException: closed
\t... 7 more"""
DOT_NET = """System.InvalidOperationException: no cart
   at Acme.Shop.Cart.Add(String item) in /src/Cart.cs:line 42
   at Acme.Program.Main(String[] args)"""
PHP = """RuntimeException: no cart
#0 /srv/app/Cart.php(42): Acme\\Cart->add('x')
#1 {main}"""
RUBY = """app/cart.rb:42:in `add': no cart (RuntimeError)
	from app/main.rb:7:in `block in run'"""


@pytest.mark.parametrize(
    ("trace", "type", "frames"),
    [
        (
            V8,
            "TypeError",
            [
                ("https://shop.example/static/main.3f2a9c1b.js", "Cart.total"),
                ("/srv/app/server.js", "async Object.<anonymous>"),
                ("<anonymous>", "Array.map"),
                ("file:///srv/app/index.mjs", ""),
            ],
        ),
        (
            FIREFOX,
            "",
            [("https://shop.example/static/main.js", "total"), ("https://shop.example/static/main.js", "")],
        ),
        (
            JAVA,
            "java.lang.IllegalStateException",
            [("Cart.java", "com.acme.Shop$Cart.add"), ("Unknown Source", "com.acme.Main.main")],
        ),
        (
            DOT_NET,
            "System.InvalidOperationException",
            [("/src/Cart.cs", "Acme.Shop.Cart.Add(String item)"), ("String[] args", "Acme.Program.Main")],
        ),
        (PHP, "RuntimeException", [("/srv/app/Cart.php", "Acme\\Cart->add")]),
        (RUBY, "", [("app/cart.rb", "add"), ("app/main.rb", "block in run")]),
        ("Traceback...", "", []),
        ("", "", []),
    ],
)
def test_other_languages(trace: str, type: str, frames: list[tuple[str, str]]) -> None:
    assert parsed(trace) == StackTrace(type, tuple(Frame(*each) for each in frames))


def raised(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_pythons_own(tmp_path: Path) -> None:
    class OutOfStock(Exception):
        """Its name says nothing of being an error."""

    def inner() -> None:
        raise OutOfStock("of 7\nand more: much")

    def outer() -> None:
        try:
            int("x")
        except ValueError:
            inner()

    error = raised(outer)
    found = parsed("".join(traceback.format_exception(error)))
    assert found.type.endswith("OutOfStock")
    assert error.__context__ is not None
    expected = [
        Frame(each.filename, each.name)
        for of in (error.__context__, error)
        for each in traceback.extract_tb(of.__traceback__)
    ]
    assert list(found.frames) == expected


@pytest.mark.parametrize(
    ("line", "type"),
    [
        ("ValueError: bad", "ValueError"),
        ("django.db.utils.OperationalError: gone away\nmore", "django.db.utils.OperationalError"),
        ("Uncaught TypeError: x", "TypeError"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("Unhandled exception in view.", ""),
        ("note: this", ""),
        ("", ""),
    ],
)
def test_the_type_that_a_message_begins_with(line: str, type: str) -> None:
    assert type_of(line) == type


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parsed(text)
