"""The image: built from locked packages in one stage, run by nobody in particular in the other."""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import shlex
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest
from prometheus_client import CollectorRegistry

from loopin_api.settings import ApiSettings
from loopin_deploy.ports import free_port
from loopin_deploy.settings_docs import SECTIONS, names_of
from loopin_streams.health import health_server
from loopin_streams.kafka.settings import KafkaSettings

ROOT = Path(__file__).parents[2]
HEALTHCHECK = ROOT / "deploy" / "compose" / "healthcheck.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


class Instruction(NamedTuple):
    """One line of a Dockerfile, continuations joined."""

    name: str
    text: str


def stages() -> list[list[Instruction]]:
    """The Dockerfile's instructions by stage."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found: list[list[Instruction]] = []
    for line in filter(None, lines):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, rest))
    return found


BUILDER, FINAL = stages()


def texts(stage: list[Instruction], name: str) -> list[str]:
    """What follows every instruction of that name."""
    return [one.text for one in stage if one.name == name]


def copied(stage: list[Instruction]) -> list[str]:
    """Sources in the checkout that a stage copies."""
    sources: list[str] = []
    for text in texts(stage, "COPY"):
        words = shlex.split(text)
        if not any(word.startswith("--from=") for word in words):
            sources += words[:-1]
    return sources


def ignored(path: str) -> bool:
    """Whether the build does not see a path: the last pattern that matches it or a parent decides."""
    ways = [path, *(str(parent) for parent in PurePosixPath(path).parents if parent.name)]
    out = False
    for line in IGNORE:
        pattern = line.removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        name = pattern.removeprefix("**/")
        parts = [PurePosixPath(way).name for way in ways] if name != pattern else ways
        if any(fnmatchcase(part, name) for part in parts):
            out = not line.startswith("!")
    return out


def test_both_stages_have_the_same_python() -> None:
    assert texts(BUILDER, "FROM") == ["python:3.12-slim AS builder"]
    assert texts(FINAL, "FROM") == ["python:3.12-slim"]
    assert "COPY" in {one.name for one in FINAL}
    assert any(text.startswith("--from=builder ") for text in texts(FINAL, "COPY"))


def test_packages_are_locked_and_hashed() -> None:
    locked, project = (text for text in texts(BUILDER, "RUN") if " install " in text)
    assert {"--require-hashes", "--only-binary"} <= set(locked.split())
    assert "-r requirements/runtime.txt" in locked
    assert {"--no-deps", "--no-build-isolation"} <= set(project.split())
    lock = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    requirements = re.findall(r"(?m)^[a-zA-Z0-9].*", lock.replace("\\\n", " "))
    assert len(requirements) > 20
    assert [one for one in requirements if "==" not in one or "--hash=sha256:" not in one] == []


def test_what_is_copied_is_there_and_seen_by_the_build() -> None:
    sources = copied(BUILDER) + copied(FINAL)
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if ignored(source.rstrip("/"))] == []


def test_everything_that_the_wheel_needs_is_copied() -> None:
    sources = [source.rstrip("/") for source in copied(BUILDER)]
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = [*packages, PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]]
    assert [one for one in needed if not {one, one.split("/")[0]} & set(sources)] == []


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".data/secrets.json",
        "build/lib/x.py",
        "dist/x.whl",
        ".env",
        "docker-compose.yml",
        "requirements/dev.txt",
        "tests/conftest.py",
        "schemas/loopin_schemas/__pycache__/event.cpython-312.pyc",
    ],
)
def test_the_build_does_not_see(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize(
    "path", ["sinks/loopin_sinks/migrations/0001_events.sql", "requirements/runtime.txt"]
)
def test_the_build_sees(path: str) -> None:
    assert (ROOT / path).is_file()
    assert not ignored(path)


def test_runs_as_a_user_with_a_number() -> None:
    (user,) = texts(FINAL, "USER")
    uid, gid = (int(part) for part in user.split(":"))
    assert uid >= 10_000
    assert gid >= 10_000
    assert any(f"--uid {uid} --gid {gid}" in text for text in texts(FINAL, "RUN"))
    last = [one.name for one in FINAL]
    assert "RUN" not in last[last.index("USER") :]


def test_the_image_has_no_build_tools() -> None:
    commands = " ".join(texts(FINAL, "RUN"))
    assert not re.search(r"\b(apt|apt-get|pip|gcc|make|curl|wget)\b", commands)
    assert "--without-pip" in " ".join(texts(BUILDER, "RUN"))


def test_starts_the_command_line() -> None:
    (entrypoint,) = texts(FINAL, "ENTRYPOINT")
    assert json.loads(entrypoint) == list(PROJECT["project"]["scripts"])
    assert json.loads(texts(FINAL, "CMD")[0]) == ["--help"]


def test_its_environment_names_are_settings() -> None:
    (environment,) = texts(FINAL, "ENV")
    names = {word.split("=")[0] for word in shlex.split(environment)}
    assert {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"} <= names
    known = {
        name for section in SECTIONS for field in section.settings.model_fields
        for name in names_of(section.settings, field)
    }  # fmt: skip
    assert {name for name in names if name.startswith("LOOPIN_")} <= known
    assert not any(one.name == "ARG" for one in FINAL)


def test_ports_are_the_settings_defaults() -> None:
    api = ApiSettings.model_fields["api_port"].default
    health = KafkaSettings.model_fields["health_port"].default
    assert texts(FINAL, "EXPOSE") == [f"{api} {health}"]
    assert runpy.run_path(str(HEALTHCHECK))["PORTS"] == (
        (*names_of(ApiSettings, "api_port"), api),
        (*names_of(KafkaSettings, "health_port"), health),
    )


def test_the_health_check_runs_the_script_that_is_copied() -> None:
    (check,) = texts(FINAL, "HEALTHCHECK")
    program, script, path = json.loads(check.partition("CMD ")[2])
    assert (program, path) == ("python", "/readyz")
    assert f"{HEALTHCHECK.relative_to(ROOT)} {script}" in texts(FINAL, "COPY")


async def check(path: str, *, api_port: int, health_port: int) -> int:
    """Exit code of the health check."""
    environment = os.environ | {"LOOPIN_API_PORT": str(api_port), "LOOPIN_HEALTH_PORT": str(health_port)}
    process = await asyncio.create_subprocess_exec(sys.executable, str(HEALTHCHECK), path, env=environment)
    return await process.wait()


async def test_the_health_check_tells_what_the_role_says() -> None:
    reasons: list[str | None] = [None]
    async with health_server("127.0.0.1", 0, CollectorRegistry(), {"lag": lambda: reasons[-1]}) as port:
        assert await check("/readyz", api_port=free_port(), health_port=port) == 0
        assert await check("/readyz", api_port=port, health_port=free_port()) == 0
        reasons.append("no partition is open yet")
        assert await check("/readyz", api_port=free_port(), health_port=port) == 1
        assert await check("/healthz", api_port=free_port(), health_port=port) == 0


async def test_the_health_check_fails_where_nothing_listens() -> None:
    assert await check("/readyz", api_port=free_port(), health_port=free_port()) == 1
