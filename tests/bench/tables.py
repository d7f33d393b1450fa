"""Tables of the report: a row for each system or case, and medians with their spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from tests.bench.figures import Figure
from tests.bench.roster import TITLES

Runs = Sequence[Figure]
"""The figures of one row."""

Value = Callable[[Figure], float | None]
Cell = Callable[[Runs], str]
"""The text for a row, "" where there is nothing to say."""


def table(first: str, rows: Mapping[str, Runs], columns: Mapping[str, Cell], last: Cell) -> str:
    """Markdown; ``first`` heads the names of the rows, systems or cases, ``last`` says each row's result.

    Columns that are empty in every row are left out. Where the rows were not all measured on the same days,
    one column says on which.
    """
    dated: dict[str, Cell] = {"Date": dates} if len(set(map(dates, rows.values()))) > 1 else {}
    texts = {head: [cell(runs) for runs in rows.values()] for head, cell in {**columns, **dated}.items()}
    shown = {head: column for head, column in texts.items() if any(column)}
    head = (first, *shown, "Result")
    rule = ("---", *["---:"] * len(shown), "---")
    names = (TITLES.get(name, name) for name in rows)
    found = zip(names, *shown.values(), map(last, rows.values()), strict=True)
    return (
        "\n".join(f"| {' | '.join(text or '-' for text in line)} |" for line in (head, rule, *found)) + "\n"
    )


def dates(figures: Iterable[Figure]) -> str:
    """The days on which they were measured."""
    return " and ".join(sorted({figure.date for figure in figures}))


def spread(value: Value, form: str) -> Cell:
    """The median, with the least and the greatest in brackets."""

    def cell(runs: Runs) -> str:
        found = values(runs, value)
        if not found:
            return ""
        middle = form.format(median(found))
        return (
            middle if len(found) == 1 else f"{middle} ({form.format(min(found))}-{form.format(max(found))})"
        )

    return cell


def events(runs: Runs) -> str:
    """How many each run measured."""
    return " or ".join(f"{count:,}" for count in sorted({run.events for run in runs}) if count)


def verdict(right: str) -> Cell:
    """What was wrong, or how far behind; ``right`` where there is nothing."""

    def cell(runs: Runs) -> str:
        if wrong := [run.wrong for run in runs if run.wrong]:
            return f"**WRONG** in {len(wrong)} of {len(runs)}: {wrong[0].splitlines()[0]}"
        if behind := [run.not_held for run in runs if run.not_held]:
            return f"**not held** in {len(behind)} of {len(runs)}: {behind[0]}"
        return right

    return cell


def more(name: str) -> Value:
    """A further number of the job."""
    return lambda figure: figure.more.get(name)


def values(runs: Iterable[Figure], value: Value) -> list[float]:
    """Those that there are."""
    return [found for run in runs if (found := value(run)) is not None]


def middle(runs: Iterable[Figure], value: Value) -> float | None:
    """The median of those that there are."""
    found = values(runs, value)
    return median(found) if found else None
