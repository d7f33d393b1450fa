"""``loopin models``: how good the models are that learn on the stream, and which version answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from loopin_deploy.commands.api_options import AsJson, print_json
from loopin_deploy.commands.key_options import person
from loopin_deploy.commands.model_tables import (
    model_table,
    of_one,
    overview,
    quality_table,
    said_facts,
    shift_line,
    strength_table,
    version_table,
)
from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err, out, printable, verbatim
from loopin_schemas.config import KIND_OF
from loopin_schemas.model import ModelPin
from loopin_schemas.topics import CONFIG, MODELS
from loopin_streams.kafka.config_log import read_config
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.errors import ConfigConflict
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.learning.model_log import read_models
from loopin_streams.learning.models import Models, Of, Unusable, of_key
from loopin_streams.learning.pins import Pins

app = typer.Typer(
    help="Models that learn on the stream: how good they are, and which version answers.",
    no_args_is_help=True,
)

PIN: Final = KIND_OF[ModelPin]

Project = Annotated[str, typer.Argument(metavar="PROJECT", help="Whose users.")]
TargetName = Annotated[str, typer.Argument(metavar="TARGET", help="churn, conversion or attendance.")]


@app.command("list")
def list_models(
    data: Data,
    project: Annotated[str, typer.Option(help="Only this project's.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what is predicted in each project: what answers, and how good the best candidate is."""
    _, models, configuration = _read(data)
    found = overview(models, Pins(lambda: configuration).of_all(), project)
    if as_json:
        print_json(found)
    else:
        if found:
            out.print(model_table(found))
        else:
            out.print(
                f"Nothing is predicted{f' in project {project}' if project else ''} yet.", soft_wrap=True
            )
    for key, broken in models.broken.items():
        sentence = f"The record {broken.key} (offset {broken.offset}) cannot be used: {broken.reason}. "
        err.print(verbatim(sentence + _what_becomes(models, key, broken)), soft_wrap=True)


@app.command()
def show(
    data: Data,
    project: Project,
    target: TargetName,
    version: Annotated[
        int, typer.Option(min=0, help="Whose features to show.", show_default="the one that answers")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show how good all candidates are, the versions there are, and the strongest features of one."""
    _, models, configuration = _read(data)
    of = _known(models, project, target)
    if version:
        _version(models, of, version)
    found = of_one(models, Pins(lambda: configuration).of_all(), of, version)
    if as_json:
        print_json(found)
        return
    for line in said_facts(found):
        out.print(line, highlight=False, soft_wrap=True)
    out.print(quality_table(found))
    out.print(version_table(found))
    if found["features"]:
        out.print(strength_table(found))
    out.print(shift_line(found), highlight=False, soft_wrap=True)


@app.command()
def promote(
    data: Data,
    project: Project,
    target: TargetName,
    version: Annotated[int, typer.Option(min=1, help="As `loopin models show` lists it.")],
    as_json: AsJson = False,
) -> None:
    """Pin a version: it answers, however good it is, until it is unpinned. Workers know within a second."""
    settings, models, configuration = _read(data)
    of = _known(models, project, target)
    _version(models, of, version)
    _pin(settings, configuration, of, version, as_json)


@app.command()
def rollback(
    data: Data,
    project: Project,
    target: TargetName,
    to_heuristic: Annotated[
        bool, typer.Option("--to-heuristic", help="Pin the heuristic instead of a version.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pin the version before the one that answers, or the heuristic."""
    settings, models, configuration = _read(data)
    of = _known(models, project, target)
    version = 0 if to_heuristic else _before(models, configuration, of)
    _pin(settings, configuration, of, version, as_json)


@app.command()
def unpin(data: Data, project: Project, target: TargetName, as_json: AsJson = False) -> None:
    """End a pin: the newest version answers again, as long as it is good enough."""
    settings, _, configuration = _read(data)
    pin = ModelPin(project=project, target=target, version=0)
    replaces = configuration.version(PIN, pin.id)
    if replaces is None:
        raise DeployError(
            "not_pinned",
            "TARGET",
            f"No version of {target} in project {project} is pinned: `loopin models list` shows which are.",
        )
    try:
        asyncio.run(config_writer(settings).remove(PIN, pin.id, replaces=replaces))
    except ConfigConflict as error:
        raise _changed(error) from error
    _told({"project": project, "target": target, "pinned": None}, "is not pinned any more", as_json)


def _read(data: Path) -> tuple[KafkaSettings, Models, Configuration]:
    settings = kafka_settings(data)
    there = TopicAdmin(settings).describe()
    for name in (MODELS.name, CONFIG.name):
        if name not in there:
            topic = settings.topic(name)
            raise DeployError(
                "topic_missing", topic, f"The topic {topic} does not exist: run `loopin topics apply`."
            )

    async def both() -> tuple[Models, Configuration]:
        return await read_models(settings), await read_config(settings)

    return settings, *asyncio.run(both())


def _what_becomes(models: Models, key: bytes, broken: Unusable) -> str:
    """What the trainer does about a record that cannot be used, in one sentence."""
    found = of_key(key)
    if found is not None and found[0] in models.standings:
        of, version = found
        if version is None or version in models.versions(*of):
            return "What was good before answers; in some minutes the trainer writes it again."
        if broken.rubbish:
            return "What was good before answers; in some minutes the trainer removes it."
    return "What was good before answers; it stays, as another release may be able to use it."


def _known(models: Models, project: str, target: str) -> Of:
    if (project, target) not in models.standings:
        raise DeployError(
            "model_unknown",
            "TARGET",
            f"Nothing was learned of {printable(target)} in project {printable(project)} yet: `loopin models "
            "list` shows of what.",
        )
    return project, target


def _version(models: Models, of: Of, version: int) -> None:
    there = sorted(models.versions(*of))
    if version not in there:
        known = f"there are {', '.join(map(str, there))}" if there else "there is none yet"
        raise DeployError(
            "version_unknown", "--version", f"There is no version {version} of {of[1]} in {of[0]}: {known}."
        )


def _before(models: Models, configuration: Configuration, of: Of) -> int:
    model = models.answering(Pins(lambda: configuration).of_all()).get(of)
    if model is None:
        raise DeployError(
            "heuristic_answers",
            "TARGET",
            f"The heuristic answers for {of[1]} in {of[0]}: `loopin models promote` pins a version.",
        )
    earlier = [number for number in models.versions(*of) if number < model.version]
    if not earlier:
        raise DeployError(
            "nothing_before",
            "TARGET",
            f"There is no version before {model.version}: give --to-heuristic to let the heuristic answer.",
        )
    return max(earlier)


def _pin(settings: KafkaSettings, configuration: Configuration, of: Of, version: int, as_json: bool) -> None:
    pin = ModelPin(project=of[0], target=of[1], version=version)
    replaces = configuration.version(PIN, pin.id)
    try:
        asyncio.run(config_writer(settings).put(pin.id, pin, replaces=replaces, by=person()))
    except ConfigConflict as error:
        raise _changed(error) from error
    answers = f"version {version}" if version else "the heuristic"
    found = {"project": pin.project, "target": pin.target, "pinned": version}
    _told(found, f"is answered by {answers} from now on, until `loopin models unpin`", as_json)


def _told(found: dict[str, object], said: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        sentence = f"{found['target']} in project {found['project']} {said}."
        out.print(verbatim(sentence), highlight=False, soft_wrap=True)


def _changed(error: ConfigConflict) -> DeployError:
    return DeployError("pin_changed", "TARGET", f"The pin: {error}")
