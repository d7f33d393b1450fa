"""docs/settings.md: current, complete, and true of what the settings really read."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

import loopin_api
import loopin_deploy
import loopin_producers
import loopin_schemas
import loopin_sinks
import loopin_streams
from loopin_deploy import roles
from loopin_deploy.lifeline import LIFELINE_FD
from loopin_deploy.settings_docs import (
    COMMAND_LINE,
    SDK,
    SECTIONS,
    Section,
    main,
    page,
    settings_of,
    type_of,
    variables_of,
)

ROOT = Path(__file__).parents[2]
PACKAGES = (loopin_schemas, loopin_producers, loopin_streams, loopin_sinks, loopin_api, loopin_deploy)
DOCUMENTS = (
    *("ANALYTICS_ENABLED", "ANALYTICS_RETENTION_DAYS", "ANALYTICS_BATCH_SIZE", "AI_SERVICES_ENABLED"),
    *("OPENAI_API_KEY", "POSTHOG_API_KEY", "POSTHOG_HOST"),
)
"""Names that the user's own documents give."""

EVERY_NAME = [
    (section, one, name) for section in SECTIONS for one in settings_of(section) for name in one.names
]


@cache
def every_settings_class() -> frozenset[type[BaseSettings]]:
    """Settings classes of ours; each lives in a module called ``settings``."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith(".settings"):
                importlib.import_module(module.name)
    return frozenset(one for one in derived(BaseSettings) if one.__module__.startswith("loopin_"))


def derived(base: type[BaseSettings]) -> set[type[BaseSettings]]:
    found = set(base.__subclasses__())
    return found.union(*map(derived, found))


@cache
def sources() -> dict[Path, str]:
    """Text of every module of ours."""
    return {
        path: path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in Path(*package.__path__).rglob("*.py")
    }


def test_the_checked_in_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--folder", str(ROOT / "docs")]) == 0, capsys.readouterr().err


def test_a_stale_page_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert "python -m loopin_deploy.settings_docs --write" in capsys.readouterr().err
    assert main(["--write", "--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0


def test_every_settings_class_has_a_section() -> None:
    assert {section.settings for section in SECTIONS} == every_settings_class()


def test_settings_classes_are_where_they_are_looked_for() -> None:
    declaring = {path.name for path, text in sources().items() if re.search(r"\(BaseSettings\):", text)}
    assert declaring == {"settings.py"}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_setting_says_what_it_means(section: Section) -> None:
    assert list(settings_of(section))
    assert [field for field, info in section.settings.model_fields.items() if not info.description] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_names_are_on_the_page(name: str) -> None:
    assert f"also `{name}` |" in page()


def test_every_name_in_the_code_is_on_the_page() -> None:
    used = {name for text in sources().values() for name in re.findall(r'"(LOOPIN_[A-Z_]+)"', text)}
    documented = set(re.findall(r"`([A-Z_]+)`", page()))
    assert used - documented == {LIFELINE_FD}, "what a supervisor tells its children is no setting"


@pytest.mark.parametrize("variables", [SDK, COMMAND_LINE])
def test_names_without_a_class_are_used(variables: Any) -> None:
    text = "".join(text for path, text in sources().items() if path.stem != "settings_docs")
    assert [name for names, _, _ in variables for name in names if f'"{name}"' not in text] == []


def sample(section: Section, field: str) -> str:
    """A value of the field as one would write it into the environment."""
    value = section.settings.model_fields[field].get_default(call_default_factory=True)
    if value is None or isinstance(value, SecretStr):
        return "x"
    return json.dumps(value) if isinstance(value, bool | list | tuple | dict) else str(value)


@pytest.mark.parametrize(
    ("section", "field", "name"),
    [pytest.param(section, one.field, name, id=name) for section, one, name in EVERY_NAME],
)
def test_each_name_sets_its_field(
    section: Section, field: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, _, other in EVERY_NAME:
        monkeypatch.delenv(other, raising=False)
    assert field not in section.settings().model_fields_set
    monkeypatch.setenv(name, sample(section, field))
    assert section.settings().model_fields_set == {field}


@pytest.mark.parametrize(
    ("section", "field", "names", "kind"),
    [
        pytest.param(section, one.field, one.names, one.type, id=name)
        for section, one, name in EVERY_NAME
        if name != one.names[0]
    ],
)
def test_the_first_name_counts(
    section: Section, field: str, names: tuple[str, ...], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"true or false": ("false", "true"), "secret": ("a", "b"), "text": ("a", "b")}
    ours, theirs = values.get(kind, ("7", "8"))

    def value() -> object:
        return getattr(section.settings(), field)

    name, other = names
    monkeypatch.setenv(name, ours)
    alone = value()
    monkeypatch.setenv(other, theirs)
    assert value() == alone
    monkeypatch.delenv(name)
    assert value() != alone


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_role_reads_the_classes_that_it_names(role: str) -> None:
    within = role in ("stream", "trainer")
    text = inspect.getsource(
        roles.ROLES[role] if within else importlib.import_module(f"loopin_deploy.roles.{role}")
    )
    named = {one for one in every_settings_class() if re.search(rf"\b{one.__name__}\(", text)}
    read = {section.settings for section in SECTIONS if role in section.roles}
    assert named
    assert read == {base for one in named for base in one.__mro__ if base in every_settings_class()}


def test_variables_of_a_role_include_inherited_ones() -> None:
    assert {"LOOPIN_BATCH_SIZE", "LOOPIN_KAFKA_BOOTSTRAP", "ANALYTICS_RETENTION_DAYS"} <= variables_of("sink")
    assert "LOOPIN_JWT_SECRET" not in variables_of("sink")
    assert "LOOPIN_CLICKHOUSE_URL" not in variables_of("stream")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer, 1 to 9"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 60}, "number, above 0, at most 60"),
        ({"type": "integer", "minimum": 256}, "integer, at least 256"),
        ({"enum": ["a", "b"], "type": "string"}, "`a` or `b`"),
        ({"anyOf": [{"type": "string", "format": "path"}, {"type": "null"}]}, "path"),
        ({"type": "string", "format": "password", "writeOnly": True}, "secret"),
        ({"type": "string", "pattern": "^[A-Z]{3}$"}, "text like `^[A-Z]{3}$`"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "array", "items": {"type": "string"}}, "JSON list"),
    ],
)
def test_types_are_told_in_words(schema: dict[str, Any], words: str) -> None:
    assert type_of(schema) == words


def test_secrets_show_no_value() -> None:
    secret = [one for _, one, _ in EVERY_NAME if one.type == "secret"]
    assert {"LOOPIN_JWT_SECRET", "LOOPIN_CLICKHOUSE_PASSWORD"} <= {one.names[0] for one in secret}
    assert {one.default for one in secret} == {""}
