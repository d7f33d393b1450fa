"""Generates the JSON Schema of every topic's value, of what it configures by kind, and of the catalogue's
properties by event.

``python -m loopin_schemas.json_schema --write`` (or ``--check``), from the top of a checkout.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from loopin_schemas.catalogue import CATALOGUE, EVERY_EVENT, EventType, Property
from loopin_schemas.config import KINDS
from loopin_schemas.topics import CONFIG, TOPICS
from loopin_schemas.validation import MAX_TEXT

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path("schemas/jsonschema")

_EVERY_EVENT = "every_event"

_TEXT: dict[str, Any] = {"minLength": 1, "maxLength": MAX_TEXT}
_UUID: dict[str, Any] = {"pattern": "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"}
_LIMITS: dict[str, dict[str, Any]] = {
    "project": {"pattern": "^[A-Za-z0-9_.-]{1,64}$"},
    "event": _TEXT,
    "distinct_id": _TEXT,
    "session_id": _TEXT,
    "uuid": _UUID,
    "parent_uuid": _UUID,
    "_origin": {"pattern": "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}:[0-9]{1,10}:[0-9]{1,19}$"},
}
"""The limits of ``validation`` that JSON Schema can express, by field of an event."""

_JSON_TYPES: dict[str, list[str]] = {
    "text": ["string"],
    "id": ["string", "integer"],
    "number": ["number"],
    "integer": ["integer"],
    "boolean": ["boolean"],
    "time": ["string", "number"],
    "list": ["array"],
    "object": ["object"],
    "any": ["string", "number", "boolean", "array", "object"],
}


def schema_of(value: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema of a topic's value; encoded ``properties`` appear as the object that they are."""
    schema = msgspec.json.schema(_with_decoded_properties(value))
    body: dict[str, Any] = schema["$defs"].pop(value.__name__)
    if {"event", "distinct_id"} <= body["properties"].keys():
        for name, limits in _LIMITS.items():
            _limit(body["properties"][name], limits)
    nested = {name: _described(inner) for name, inner in schema["$defs"].items()}
    return {**_described(body), **({"$defs": nested} if nested else {})}


def catalogue_schema() -> dict[str, Any]:
    """JSON Schema of an event that holds its ``properties`` to the catalogue, where its name is known."""
    return {
        "description": "Catalogued events with the types of their properties; other events are valid.",
        "type": "object",
        "properties": {"event": {"type": "string"}, "properties": {"type": "object"}},
        "required": ["event"],
        "allOf": [
            {
                "if": {"properties": {"event": {"const": event.name}}},
                "then": {
                    "properties": {"properties": {"$ref": f"#/$defs/{event.name}"}},
                    **({"required": ["properties"]} if any(p.required for p in event.properties) else {}),
                },
            }
            for event in CATALOGUE
        ],
        "$defs": {
            _EVERY_EVENT: _object_schema("Properties that any event may carry", EVERY_EVENT),
            **{event.name: _event_schema(event) for event in CATALOGUE},
        },
    }


def schema_files() -> dict[str, str]:
    """Every generated file by name."""
    schemas = {topic.name: schema_of(topic.value) for topic in TOPICS if topic.value is not None}
    schemas["events.catalogue"] = catalogue_schema()
    schemas |= {f"{CONFIG.name}.{kind}": schema_of(body) for kind, body in KINDS.items()}
    return {
        f"{name}.json": json.dumps({"$schema": DIALECT, "title": name, **schema}, indent=2) + "\n"
        for name, schema in schemas.items()
    }


def write_or_check(files: Mapping[str, str], folder: Path, command: str, argv: Sequence[str] | None) -> int:
    """Write generated files into ``--folder``, or compare them; 1, with one line, if they differ."""
    parser = ArgumentParser(prog=f"python -m {command}")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--write", action="store_true", help="write the files")
    task.add_argument(
        "--check", action="store_true", help="fail if a file differs from what would be written"
    )
    parser.add_argument("--folder", type=Path, default=folder, help="folder of the files (%(default)s)")
    chosen = parser.parse_args(argv)
    if not chosen.folder.is_dir():
        parser.error(f"{chosen.folder} is no folder; run this from the top of a checkout, or name --folder.")
    if chosen.write:
        for name, text in files.items():
            (chosen.folder / name).write_text(text, encoding="utf-8")
        return 0
    stale = _stale(files, chosen.folder)
    if stale:
        print(
            f"{', '.join(stale)} in {chosen.folder} differ; run python -m {command} --write.", file=sys.stderr
        )
    return 1 if stale else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check ``schemas/jsonschema``."""
    return write_or_check(schema_files(), FOLDER, "loopin_schemas.json_schema", argv)


def _stale(files: Mapping[str, str], folder: Path) -> list[str]:
    return [
        name
        for name, text in files.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def _with_decoded_properties(value: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same struct with objects for raw JSON, whose default msgspec cannot write into a schema."""
    fields: list[tuple[str, Any, Any]] = []
    for declared in msgspec.structs.fields(value):
        name = declared.encode_name
        if declared.type is msgspec.Raw:
            default: Any = {} if declared.required else {"default_factory": dict}
            fields.append((declared.name, dict[str, Any], msgspec.field(name=name, **default)))
        else:
            # One of the two says that there is none.
            defaults: Any = {"default": declared.default, "default_factory": declared.default_factory}
            kept: Any = msgspec.field(name=name, **defaults)
            fields.append((declared.name, declared.type, kept))
    about = {"__doc__": value.__doc__}
    return msgspec.defstruct(value.__name__, fields, kw_only=True, module=value.__module__, namespace=about)


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a struct, with its docstring as plain text."""
    return {**schema, "description": cleandoc(schema.get("description", "")).replace("``", "`")}


def _limit(schema: dict[str, Any], limits: Mapping[str, Any]) -> None:
    """Add limits to the text that a field's schema allows."""
    for option in schema.get("anyOf", [schema]):
        if option.get("type") == "string":
            option.update(limits)


def _event_schema(event: EventType) -> dict[str, Any]:
    return _object_schema(event.description, event.properties) | {"$ref": f"#/$defs/{_EVERY_EVENT}"}


def _object_schema(description: str, properties: Iterable[Property]) -> dict[str, Any]:
    declared = {one.name: _property_schema(one) for one in properties}
    schema = {"description": description, "type": "object", "properties": declared}
    required = [one.name for one in properties if one.required]
    return schema | ({"required": required} if required else {})


def _property_schema(declared: Property) -> dict[str, Any]:
    unit = f" ({declared.unit})" if declared.unit else ""
    types = _JSON_TYPES[declared.type] + ([] if declared.required else ["null"])
    schema: dict[str, Any] = {
        "description": declared.description + unit,
        "type": types[0] if len(types) == 1 else types,
    }
    schema |= _present(("minimum", declared.minimum), ("maximum", declared.maximum))
    if declared.choices:
        schema["enum"] = [*declared.choices, *([] if declared.required else [None])]
    return schema


def _present(*pairs: tuple[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in pairs if value is not None}


if __name__ == "__main__":
    sys.exit(main())
