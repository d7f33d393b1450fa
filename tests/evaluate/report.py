"""The evaluation as a page, ``docs/evaluation.md``, and as figures, ``build/evaluation.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.machine import machine
from tests.evaluate.part import Figure, Section, Table

INTRODUCTION = """\
# Evaluation

Written by `make evaluate`. How good the models are, next to a simple baseline and to what a model with full
hindsight reaches. It drives the models themselves, without a broker or a store, in the order of event time.

What is headed *simulated* is judged against the hidden truth of [simulated worlds](simulator.md), a column
each: it says how well a model finds what was planted there, not how well it does with real people. The models
are developed with the first two worlds only; the third (`make evaluate ARGS=--held-out`) is for when they are
done. Worlds have [2,000 users](evaluation.md) or, with `ARGS="--users 10000"`, [10,000](evaluation-10000.md).

{worlds}

{machine} {date}.
"""

Sections = Mapping[str, Sequence[Section]]
"""By part: one section for each world, or a single one."""


def write_report(found: Sections, worlds: Sequence[str], page: Path, figures: Path) -> None:
    """Write both."""
    page.write_text(report(found, worlds))
    figures.parent.mkdir(exist_ok=True)
    written = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "worlds": list(worlds),
        "parts": {name: [_plain(section) for section in sections] for name, sections in found.items()},
    }
    figures.write_text(json.dumps(written, indent=1, default=_of_numpy) + "\n")


def report(found: Sections, worlds: Sequence[str]) -> str:
    """The page."""
    names = "; ".join(f"world {number}: {name}" for number, name in enumerate(worlds, start=1))
    head = INTRODUCTION.format(
        worlds=names[:1].upper() + names[1:] + "." if names else "",
        machine=machine(),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )
    return "\n".join([head, *(line for sections in found.values() for line in _section(sections))])


def _section(sections: Sequence[Section]) -> Iterator[str]:
    first = sections[0]
    yield f"## {first.title}{' (simulated)' if first.simulated else ''}\n"
    yield f"{first.intro}\n"
    if first.figures:
        names = (
            [f"world {number}" for number in range(1, len(sections) + 1)] if first.simulated else ["value"]
        )
        yield _row(["", *names, "target", ""])
        yield _row(["---", *["--:" for _ in names], "---", "---"])
        for together in zip(*(section.figures for section in sections), strict=True):
            yield _row([together[0].name, *map(shown, together), together[0].target, _verdict(together)])
        yield ""
    notes = list(dict.fromkeys(f.note for section in sections for f in section.figures if f.note))
    yield from (f"{note}\n" for note in notes)
    for table in first.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield f"{table.caption}\n"
    yield _row(table.head)
    yield _row(["---", *["--:" for _ in table.head[1:]]])
    yield from map(_row, table.rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def shown(figure: Figure) -> str:
    """A number with as many digits as say something."""
    value = figure.value
    if value is None:
        return "-"
    if value == int(value) and abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.3f}"


def _verdict(together: Sequence[Figure]) -> str:
    judged = [figure.met for figure in together if figure.met is not None]
    if not judged:
        return ""
    return "met" if all(judged) else "missed" if not any(judged) else "met in some"


def _of_numpy(value: Any) -> Any:
    """Numbers of numpy are none to JSON."""
    return value.item()


def _plain(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "simulated": section.simulated,
        "figures": [figure._asdict() for figure in section.figures],
        "tables": [table._asdict() for table in section.tables],
    }
