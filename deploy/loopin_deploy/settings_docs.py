"""Generates ``docs/settings.md``: every setting of every role, by the environment variable that sets it.

``python -m loopin_deploy.settings_docs --write`` (or ``--check``), from the top of a checkout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from loopin_api.settings import ApiSettings
from loopin_deploy.settings import HostMetricsSettings
from loopin_schemas.json_schema import write_or_check
from loopin_sinks.notify.settings import NotifySettings
from loopin_sinks.opinions.settings import LanguageModelSettings
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store.settings import StoreSettings
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.projects.settings import ProjectDefaults
from loopin_streams.settings import StreamSettings

FOLDER = Path("docs")


@dataclass(frozen=True)
class Section:
    """One settings class, and the roles (``loopin run ROLE``) that read it."""

    title: str
    settings: type[BaseSettings]
    roles: tuple[str, ...]


SECTIONS = (
    Section("Kafka", KafkaSettings, ("stream", "trainer", "sink", "api", "store", "notify")),
    Section("Projects", ProjectDefaults, ("stream", "sink", "api", "store")),
    Section("Enrichment", StreamSettings, ("stream",)),
    Section("Sink", SinkSettings, ("sink", "store")),
    Section("Store", StoreSettings, ("sink", "api", "store")),
    Section("Notifier", NotifySettings, ("store", "notify")),
    Section("API", ApiSettings, ("api", "store")),
    Section("Language model", LanguageModelSettings, ("sink", "api", "store")),
    Section("Host metrics", HostMetricsSettings, ("stream", "trainer", "sink", "api", "store", "notify")),
)
"""Every settings class. A class's own fields stand in its section, inherited ones in their parent's."""

Variable = tuple[tuple[str, ...], str, str]
"""Names, default, and meaning of what is read without a settings class."""

SDK: tuple[Variable, ...] = (
    (("LOOPIN_KAFKA_BOOTSTRAP",), "127.0.0.1:9092", "host:port of the brokers, comma separated"),
    (("LOOPIN_URL",), "", "address of the API, for a client without a route to the broker"),
    (("LOOPIN_API_KEY",), "", "write key for it"),
    (("LOOPIN_SPOOL_DIR",), "~/.local/state/loopin/spool", "folder for events that wait on disk"),
    (("LOOPIN_PROJECT",), "", "the project (tenant) that events belong to; required unless an argument"),
    (("LOOPIN_TOPIC_PREFIX",), "loopin.", "put before the topic's name"),
    (("LOOPIN_ENABLED", "ANALYTICS_ENABLED"), "true", "when false, nothing is published"),
)
"""What the client SDK reads where its arguments are left out."""

COMMAND_LINE: tuple[Variable, ...] = (
    (("LOOPIN_DATA_DIR",), "~/.local/share/loopin", "folder that keeps everything; the option `--data`"),
    (("LOOPIN_KAFKA_BOOTSTRAP",), "", "a broker to use; without it, the one of the system that `up` started"),
    (("LOOPIN_CACHE",), "~/.cache/loopin", "folder that Kafka's jars are fetched into"),
    (
        ("LOOPIN_KEY",),
        "",
        "key for `--url` of an API: with the scope read for `loopin status` and `watch`, admin for `loopin "
        "tasks` and `loopin project set`; the option `--key`",
    ),
)
"""What the commands on one machine read in their own way."""

_INTRODUCTION = """\
# Settings

Generated from the settings classes by `python -m loopin_deploy.settings_docs --write`; edit them there.

Every setting is an environment variable. Where a second name is given, it works as well, and the first one
counts when both are set. A value that a setting refuses ends the start with one sentence. Roles are the
processes that `loopin run ROLE` starts; `loopin topics`, `loopin keys` and `loopin migrate` read the sections
Kafka and Store. The API lets in whoever has a key of `loopin keys`; `LOOPIN_JWT_SECRET` and
`LOOPIN_KEYS_FILE` are further ways in, and `loopin up` and `loopin demo` set both to their own.

What the section Projects says holds of every project that has nothing of its own: each may have its own time
zone, currency, rates, internal users and retention, changed while everything runs
([projects](projects.md)). Set these alike for all roles that read them.
"""

_TYPES = {"array": "JSON list", "object": "JSON object", "string": "text"}


@dataclass(frozen=True)
class Setting:
    """One field of a settings class, as the page shows it."""

    field: str
    names: tuple[str, ...]
    type: str
    default: str
    description: str


def settings_of(section: Section) -> Iterator[Setting]:
    """The section's own settings, in the order of declaration."""
    schema = section.settings.model_json_schema(by_alias=False)
    for field, info in section.settings.model_fields.items():
        if field in section.settings.__annotations__:
            property_schema = schema["properties"][field]
            yield Setting(
                field,
                names_of(section.settings, field),
                type_of(property_schema),
                _default(property_schema, info.get_default(call_default_factory=True)),
                info.description or "",
            )


def names_of(settings: type[BaseSettings], field: str) -> tuple[str, ...]:
    """The environment variables that set a field; the first one counts before the others."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    if isinstance(alias, str):
        return (alias,)
    return (f"{settings.model_config['env_prefix']}{field}".upper(),)


def variables_of(role: str) -> set[str]:
    """Every environment variable that a role reads."""
    return {
        name
        for section in SECTIONS
        if role in section.roles
        for field in section.settings.model_fields
        for name in names_of(section.settings, field)
    }


def type_of(schema: Mapping[str, Any]) -> str:
    """A field's JSON Schema in words, with its bounds."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    (only,) = options
    if "enum" in only:
        return " or ".join(f"`{choice}`" for choice in only["enum"])
    if only["type"] == "boolean":
        return "true or false"
    if only.get("format") == "password":
        return "secret"
    if only.get("format") == "path":
        return "path"
    if "pattern" in only:
        return f"text like `{only['pattern']}`"
    return ", ".join([_TYPES.get(only["type"], only["type"]), *_bounds(only)])


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']} to {schema['maximum']}"
        return
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
    yield from (f"{word} {schema[key]}" for key, word in words.items() if key in schema)


def _default(schema: Mapping[str, Any], value: object) -> str:
    """The default as one would write it into the environment; empty for none."""
    if value is None or schema.get("format") == "password":
        return ""
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(value)
    return str(value)


def page() -> str:
    """The whole page in Markdown."""
    sdk = _variables(
        "Client SDK", "Read by `Loopin()`, and by `loopin replay`, where their arguments are left out.", SDK
    )
    commands = _variables(
        "Command line", "Read by the commands that run on one machine, such as `up` and `demo`.", COMMAND_LINE
    )
    return "\n".join([_INTRODUCTION, *(_section(section) for section in SECTIONS), sdk, commands])


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check ``docs/settings.md``."""
    return write_or_check({"settings.md": page()}, FOLDER, "loopin_deploy.settings_docs", argv)


def _section(section: Section) -> str:
    roles = ", ".join(f"`{role}`" for role in section.roles)
    return "\n".join(
        [
            f"## {section.title}",
            "",
            f"Read by {roles}.",
            "",
            "| Variable | Type | Default | Meaning |",
            "|---|---|---|---|",
            *(_row(one) for one in settings_of(section)),
            "",
        ]
    )


def _row(one: Setting) -> str:
    cells = (_names(one.names), _cell(one.type), _code(one.default), _cell(one.description))
    return f"| {' | '.join(cells)} |"


def _variables(title: str, readers: str, variables: Iterable[Variable]) -> str:
    return "\n".join(
        [
            f"## {title}",
            "",
            readers,
            "",
            "| Variable | Default | Meaning |",
            "|---|---|---|",
            *(
                f"| {_names(names)} | {_code(default)} | {_cell(meaning)} |"
                for names, default, meaning in variables
            ),
            "",
        ]
    )


def _names(names: Sequence[str]) -> str:
    return ", also ".join(_code(name) for name in names)


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
