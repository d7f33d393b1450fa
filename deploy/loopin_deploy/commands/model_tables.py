"""How ``loopin models`` shows models: to a person and to a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from time import time
from typing import Any, Final

from rich.table import Column, Table
from rich.text import Text

from loopin_deploy.commands.why_heuristic import why_heuristic
from loopin_deploy.screen import verbatim
from loopin_schemas.alert_rules.models import SHIFTED_FROM
from loopin_schemas.model import Model, Quality, Standing
from loopin_schemas.timestamps import to_iso
from loopin_streams.learning.model_health import is_degraded
from loopin_streams.learning.models import Models, Of
from loopin_streams.learning.strengths import strengths
from loopin_streams.learning.targets import TARGETS

STRONGEST: Final = 10

Answer = Mapping[str, Any]

_TARGETS: Final = {target.name: target for target in TARGETS}


def overview(models: Models, pinned: Mapping[Of, int], project: str = "") -> list[dict[str, Any]]:
    """What a program is told of all targets, by project and target; times are ISO 8601."""
    answering = models.answering(pinned)
    return [
        _facts(standing, answering.get(of), pinned.get(of))
        for of, standing in sorted(models.standings.items())
        if project in ("", of[0])
    ]


def of_one(models: Models, pinned: Mapping[Of, int], of: Of, version: int) -> dict[str, Any]:
    """What a program is told of one target; features are those of the version, or of the one that answers."""
    standing, versions = models.standings[of], models.versions(*of)
    answers = models.answering(pinned).get(of)
    model = versions[version] if version else answers
    target = _TARGETS.get(of[1])
    strong = strengths(model.scorer, target) if model is not None and target is not None else []
    return {
        **_facts(standing, answers, pinned.get(of)),
        "delayed": standing.delayed,
        "candidates": {name: _quality(quality) for name, quality in sorted(standing.qualities.items())},
        "versions": [_version(versions[number]) for number in sorted(versions, reverse=True)],
        "features_of": None if model is None else model.version,
        "features": [one._asdict() for one in strong[:STRONGEST]],
        "shifted": dict(sorted(standing.shifted.items(), key=lambda item: -item[1])),
    }


def _facts(standing: Standing, answers: Model | None, pinned: int | None) -> dict[str, Any]:
    quality = standing.qualities.get(standing.champion or "")
    return {
        "project": standing.project,
        "target": standing.target,
        "answers": 0 if answers is None else answers.version,
        "method": "heuristic" if answers is None else answers.method,
        "why": why_heuristic(standing, pinned) if answers is None else None,
        "pinned": pinned,
        "degraded": is_degraded(standing, round(time() * 1000)),
        "newest": standing.version,
        "champion": standing.champion,
        "examples": standing.examples,
        "newest_outcome_at": to_iso(standing.at),
        "quality": None if quality is None else _quality(quality),
        "drifts": standing.drifts,
        "worse_at": None if standing.worse_at is None else to_iso(standing.worse_at),
        "score_psi": standing.score_shift,
        "worst_feature_psi": max(standing.shifted.values(), default=None),
    }


def _quality(quality: Quality) -> dict[str, Any]:
    return {name: getattr(quality, name) for name in quality.__struct_fields__}


def _version(model: Model) -> dict[str, Any]:
    return {
        "version": model.version,
        "method": model.method,
        "made_at": to_iso(model.made_at),
        "examples": model.examples,
        "positives": model.positives,
    }


def model_table(found: Iterable[Answer]) -> Table:
    """The targets, one a row; 80 columns hold it.

    The PSI is that of the scores, and below it that of the feature that has shifted most.
    """
    table = Table(
        Column("project,\ntarget", overflow="fold", min_width=10),
        Column("answers", overflow="fold", min_width=15),
        Column("candidate,\nexamples, drifts", no_wrap=True),
        *(
            Column(name, justify="right", no_wrap=True)
            for name in ("AUC,\nloss", "calibr.,\ntop 5 %", "PSI,\nworst")
        ),
    )
    for each in found:
        quality = each["quality"] or {}
        table.add_row(
            Text("\n").join([verbatim(each["project"]), verbatim(each["target"])]),
            _answers(each),
            f"{each['champion'] or '-'}\n{each['examples']:,}, {each['drifts']}",
            f"{_number(quality.get('auc'))}\n{_number(quality.get('log_loss'))}",
            f"{_number(quality.get('calibration_error'))}\n{_number(quality.get('precision_top'))}",
            f"{_number(each['score_psi'])}\n{_number(each['worst_feature_psi'])}",
        )
    return table


def said_facts(found: Answer) -> Iterator[Text]:
    """One target, in lines."""
    facts = {
        "answers": _answers(found).plain.replace("\n", ", "),
        **({"why": found["why"]} if found["why"] else {}),
        "examples": f"{found['examples']:,}, the newest outcome of {_time(found['newest_outcome_at'])}",
        "drifts": str(found["drifts"])
        + (f", errors last rose on {_time(found['worse_at'])}" if found["worse_at"] else ""),
    }
    yield verbatim(f"{found['target']} in project {found['project']}")
    for name, value in facts.items():
        yield verbatim(f"{name:10}{value}")


def quality_table(found: Answer) -> Table:
    """How good each candidate is."""
    judged = (
        "the versions there were when each prediction was made" if found["delayed"] else "each newest version"
    )
    table = Table(
        Column("candidate", no_wrap=True),
        *(
            Column(name, justify="right", no_wrap=True)
            for name in ("AUC", "log loss", "calibr.", "top 5 %", "accuracy", "number")
        ),
        title=f"Candidates, by {judged}",
        title_justify="left",
    )
    for name, quality in found["candidates"].items():
        numbers = ("auc", "log_loss", "calibration_error", "precision_top", "accuracy")
        champion = Text(name, style="bold") if name == found["champion"] else Text(name)
        table.add_row(champion, *(_number(quality[number]) for number in numbers), f"{quality['number']:,}")
    return table


def version_table(found: Answer) -> Table:
    """The versions that there are, newest first."""
    table = Table(
        Column("version", justify="right"),
        "candidate",
        "made (UTC)",
        Column("examples", justify="right"),
        Column("that happened", justify="right"),
        "",
        title="Versions",
        title_justify="left",
    )
    for each in found["versions"]:
        table.add_row(
            str(each["version"]),
            verbatim(each["method"]),
            _time(each["made_at"]),
            f"{each['examples']:,}",
            f"{each['positives']:,}",
            "answers" if each["version"] == found["answers"] else "",
        )
    return table


def strength_table(found: Answer) -> Table:
    """What the version goes by most."""
    table = Table(
        "feature",
        Column("share", justify="right"),
        "more of it",
        title=f"Strongest features of version {found['features_of']}",
        title_justify="left",
    )
    for each in found["features"]:
        table.add_row(each["feature"], f"{each['share']:.1%}", "raises" if each["raises"] else "lowers")
    return table


def shift_line(found: Answer) -> Text:
    """Which features are not what they were."""
    shifted = [f"{name} {index:.2f}" for name, index in found["shifted"].items() if index >= SHIFTED_FROM]
    if not found["shifted"]:
        return verbatim("Shifted features: not known yet.")
    return verbatim(
        f"PSI of the scores: {found['score_psi']:.2f}. Shifted features (PSI from {SHIFTED_FROM}): "
        f"{', '.join(shifted) or 'none'}."
    )


def _answers(each: Answer) -> Text:
    said = Text(f"v{each['answers']} {each['method']}" if each["answers"] else "heuristic")
    if each["pinned"] is not None:
        said.append("\npinned", style="cyan")
    elif each["degraded"]:
        said.append("\ndegraded", style="yellow")
    return said


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _time(text: str) -> str:
    return text[:16].replace("T", " ")
