"""What a system under test says of its progress."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import subject


def test_done_is_said_once_also_when_a_batch_steps_over_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(subject, "say", lambda word, **what: said.append((word, what)))
    progress = subject.Progress(10)

    progress.begin()
    progress.add(8, found=1)
    assert said == [("first", {})]
    progress.add(8, found=2)
    progress.add(8, found=3)

    assert said == [("first", {}), ("done", {"found": 2})]
