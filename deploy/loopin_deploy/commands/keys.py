"""``loopin keys``: who may send and ask, kept as hashes on the topic ``config``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Annotated, Final

import typer
from msgspec.structs import replace

from loopin_deploy.commands.api_options import AsJson, print_json
from loopin_deploy.commands.key_options import (
    expiry_ms,
    given_name,
    given_scopes,
    person,
)
from loopin_deploy.commands.key_table import key_facts, key_table, shown_end, shown_scopes, shown_time
from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err, out, printable, verbatim
from loopin_schemas.config import KIND_OF, ApiKey, config_key
from loopin_schemas.key_format import KeyKind, hash_key, new_key
from loopin_schemas.topics import CONFIG
from loopin_schemas.validation import check_project
from loopin_streams.kafka.config_log import read_config
from loopin_streams.kafka.config_state import Configuration, Item
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.errors import ConfigConflict
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin

app = typer.Typer(help="API keys: who may send events and ask questions.", no_args_is_help=True)

API_KEY: Final = KIND_OF[ApiKey]


@app.command()
def create(
    data: Data,
    project: Annotated[str, typer.Option(help="The project that the key opens.")],
    kind: Annotated[
        KeyKind, typer.Option(help="write: sends events, nothing else. personal: a person's or a service's.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What it is for, to recognise it by.", show_default=False)
    ] = None,
    scopes: Annotated[
        str,
        typer.Option(
            help="What a personal key may do, of ingest, read, write, admin; with commas between.",
            show_default="read; ingest for a write key",
        ),
    ] = "",
    expires: Annotated[
        str, typer.Option(help="When it ends: in 90d or 12h, or at a time.", show_default="never")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key, and show it this once: only its hash is kept."""
    check_project(project)
    now_ms = int(time() * 1000)
    token = new_key(kind)
    key = ApiKey(
        project=project,
        kind=kind,
        scopes=given_scopes(kind, scopes),
        sha256=hash_key(token),
        last4=token[-4:],
        created_at=now_ms,
        created_by=person(),
        name="" if name is None else given_name(name),
        expires_at=expiry_ms(expires, now_ms),
    )
    item = asyncio.run(_put(_settings(data), token_hex(6), key, None))
    if as_json:
        print_json({"id": item.id, "key": token, **key_facts(item, now_ms)})
        return
    # Alone on standard output, so that a script can take it from there.
    sys.stdout.write(token + "\n")
    err.print(
        f"Key {item.id}: {kind} key of project {project}, {shown_scopes(key)}, {shown_end(key)}. "
        "It is not shown again: only its hash is kept.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command("list")
def list_keys(
    data: Data,
    project: Annotated[str, typer.Option(help="Only this project's.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the keys that were made here, revoked ones too, by project and age."""
    configuration = asyncio.run(read_config(_settings(data)))
    now_ms = int(time() * 1000)
    found = [item for item in configuration.of(ApiKey).values() if project in ("", item.body.project)]
    found.sort(key=lambda item: (item.body.project, item.body.created_at))
    if as_json:
        print_json([{"id": item.id, **key_facts(item, now_ms)} for item in found])
    else:
        out.print(key_table(found, now_ms))
        out.print(
            "Keys of a file (LOOPIN_KEYS_FILE, and those that `loopin up` makes for itself) are not listed.",
            highlight=False,
            soft_wrap=True,
        )
    _say_broken(configuration)


@app.command()
def revoke(
    data: Data,
    key: Annotated[
        str, typer.Argument(metavar="ID", help="As `loopin keys list` shows it, or a key itself.")
    ],
    as_json: AsJson = False,
) -> None:
    """Refuse a key from now on, for good. Running APIs know within a second."""
    settings = _settings(data)
    configuration = asyncio.run(read_config(settings))
    item = _find(configuration, key)
    if item is None:
        _remove_broken(settings, configuration, key)
        return
    already = item.body.revoked_at is not None
    if not already:
        revoked = replace(item.body, revoked_at=int(time() * 1000))
        item = asyncio.run(_put(settings, item.id, revoked, item.version))
    if as_json:
        print_json({"id": item.id, **key_facts(item, int(time() * 1000))})
        return
    out.print(
        f"Key {printable(item.id)} of project {item.body.project} (…{printable(item.body.last4)}) "
        + (f"was revoked before, at {shown_time(item.body.revoked_at)}." if already else "is revoked."),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _settings(data: Path) -> KafkaSettings:
    settings = kafka_settings(data)
    if CONFIG.name not in TopicAdmin(settings).describe():
        name = settings.topic(CONFIG.name)
        raise DeployError(
            "topic_missing", name, f"The topic {name} does not exist: run `loopin topics apply`."
        )
    return settings


async def _put(settings: KafkaSettings, id: str, key: ApiKey, replaces: str | None) -> Item[ApiKey]:
    try:
        return await config_writer(settings).put(id, key, replaces=replaces, by=person())
    except ConfigConflict as error:
        raise _changed(id, error) from error


def _find(configuration: Configuration, given: str) -> Item[ApiKey] | None:
    keys = configuration.of(ApiKey)
    sha256 = hash_key(given)
    return keys.get(given) or next((item for item in keys.values() if item.body.sha256 == sha256), None)


def _remove_broken(settings: KafkaSettings, configuration: Configuration, id: str) -> None:
    """A record of a key that cannot be read counts for nothing already; what is left is to remove it."""
    broken = configuration.broken.get(config_key(API_KEY, id))
    if broken is None:
        # What was given may be a key, which is nothing to show.
        raise DeployError(
            "key_unknown", "ID", "There is no such key: give an id that `loopin keys list` shows."
        )

    async def remove() -> None:
        try:
            await config_writer(settings).remove(API_KEY, id, replaces=broken.version)
        except ConfigConflict as error:
            raise _changed(id, error) from error

    asyncio.run(remove())
    out.print(f"Key {printable(id)} could not be read, and is removed.", highlight=False, markup=False)


def _changed(id: str, error: ConfigConflict) -> DeployError:
    return DeployError("key_changed", "ID", f"Key {printable(id)}: {error}")


def _say_broken(configuration: Configuration) -> None:
    for broken in configuration.broken.values():
        err.print(
            verbatim(
                f"The record {broken.key} (offset {broken.offset}) cannot be read and counts for nothing: "
                f"{broken.reason}."
            ),
            soft_wrap=True,
        )
