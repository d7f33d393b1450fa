"""The evaluation of the models, in simulated worlds and on real texts."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.evaluate.part import Judge, Section, missed
from tests.evaluate.parts import ALONE, IN_WORLDS
from tests.evaluate.report import shown, write_report
from tests.evaluate.world import live_through

SEEDS = (21, 22)
"""Worlds that the models are developed with."""

HELD_OUT = 23
"""The world that is not looked at until they are done."""

USERS = 2_000
"""Of each world, unless said otherwise; what others give has files of its own (evaluation-10000.md)."""


def main() -> int:
    """Judge the parts, and write the report if they are all there are; 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluate", description="How good the models are.")
    parser.add_argument("--users", type=int, default=USERS, help="of each world; 10000 is the full size")
    parser.add_argument("--days", type=int, default=120, help="of each world")
    parser.add_argument(
        "--parts", default="", help="some parts, separated by commas; no report is written then"
    )
    parser.add_argument("--held-out", action="store_true", help="the third world, too")
    args = parser.parse_args()
    chosen = [name for name in args.parts.split(",") if name]
    unknown = set(chosen) - {*IN_WORLDS, *ALONE}
    if unknown:
        parser.error(f"choose parts of {', '.join((*IN_WORLDS, *ALONE))}, not {', '.join(sorted(unknown))}")
    found: dict[str, list[Section]] = {}
    for name, part in ALONE.items():
        if not chosen or name in chosen:
            found[name] = [part().section()]
            _tell(found[name][0])
    seeds = (*SEEDS, HELD_OUT) if args.held_out else SEEDS
    for seed in seeds:
        judges: dict[str, Judge] = {
            name: part() for name, part in IN_WORLDS.items() if not chosen or name in chosen
        }
        if not judges:
            break
        truth = live_through(args.users, args.days, seed, list(judges.values()))
        for name, judge in judges.items():
            section = judge.section(truth)
            found.setdefault(name, []).append(section)
            _tell(section)
    if not chosen:
        worlds = [f"{args.users:,} users, {args.days} days, seed {seed}" for seed in seeds]
        name = "evaluation" if args.users == USERS else f"evaluation-{args.users}"
        page, figures = Path(f"docs/{name}.md"), Path(f"build/{name}.json")
        write_report(found, worlds, page, figures)
        print(f"{page} and {figures} are written.")
    misses = missed(section for sections in found.values() for section in sections)
    for figure in misses:
        print(f"MISSED {figure.name}: {shown(figure)}, {figure.target}")
    return 1 if misses else 0


def _tell(section: Section) -> None:
    print(f"\n{section.title}{' (simulated)' if section.simulated else ''}")
    for figure in section.figures:
        said = {None: "", True: "met", False: "MISSED"}[figure.met]
        print(f"  {figure.name:<52} {shown(figure):>10}  {figure.target:<10} {said}")
    for table in section.tables:
        print("  " + " | ".join(table.head))
        for row in table.rows:
            print("  " + " | ".join(row))


if __name__ == "__main__":
    raise SystemExit(main())
