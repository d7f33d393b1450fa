"""A Python file that repairs events: its function ``fix(event, letter)``."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from copy import copy
from pathlib import Path
from types import ModuleType
from typing import Any

from loopin_schemas.codec import decode_object
from loopin_schemas.dead_letter import DeadLetter
from loopin_streams.dead_letters.repair import FixFailed, Repair, Repaired

MODULE = "loopin_fix"
"""The module's name: dataclasses and pickling look their module up by it."""

Fix = Callable[[dict[str, Any], DeadLetter], Any]


def load_fix(path: Path) -> Repair:
    """The repair that a file defines.

    Its function gets the event as a dict (an empty one where the body is no JSON object: ``letter.body``
    holds the bytes) and the :class:`DeadLetter`, and returns the event, or None to leave the letter.

    Raises:
        FixFailed: the file cannot be read or run, or has no such function.
    """
    fix = _function(path)

    def repair(letter: DeadLetter) -> Repaired | None:
        try:
            # A copy: what the letter says of its record decides whether it was replayed.
            event = fix(_event_of(letter), copy(letter))
        except Exception as error:
            raise FixFailed(_sentence(path, error)) from error
        if event is None or isinstance(event, dict):
            return event
        raise FixFailed(
            f"{path.name}: fix returned {type(event).__name__}; let it return the event, a dict, or None to "
            "leave it."
        )

    return repair


def _function(path: Path) -> Fix:
    module = sys.modules[MODULE] = ModuleType(MODULE)
    module.__file__ = str(path)
    try:
        # Run here, not imported, so that it is the file as it stands and nothing is written beside it.
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    except OSError as error:
        raise FixFailed(f"{path} cannot be read ({error.strerror or error}): name a Python file.") from error
    except Exception as error:
        raise FixFailed(_sentence(path, error)) from error
    fix: Fix | None = getattr(module, "fix", None)
    if not callable(fix):
        raise FixFailed(f"{path.name} has no function fix: define fix(event, letter).")
    return fix


def _event_of(letter: DeadLetter) -> dict[str, Any]:
    try:
        return decode_object(letter.body)
    except (ValueError, RecursionError):
        return {}


def _sentence(path: Path, error: Exception) -> str:
    """``fix.py, line 3: KeyError: 'a'.``"""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    place = path.name if line is None else f"{path.name}, line {line}"
    words = ": ".join(word for word in (place, type(error).__name__, said) if word)
    return " ".join(words.split()).rstrip(".") + "."
