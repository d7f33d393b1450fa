from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loopin_deploy.errors import DeployError
from loopin_deploy.kafka.jars import (
    KAFKA_VERSION,
    POM,
    default_cache,
    ensure_jars,
    find_java,
    jars_folder,
    java_version,
)

FETCHING = f"""\
for argument in "$@"; do case $argument in -DoutputDirectory=*) out=${{argument#*=}};; esac; done
mkdir "$out" && touch "$out/kafka_2.13-{KAFKA_VERSION}.jar" && echo fetched >> "$CALLS"
"""


def program(folder: Path, name: str, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH beside the system's own, which hold no Java here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("mkdir", "touch", "sh"):
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "26-ea" 2026-03-17', 26),
        ("no idea", None),
    ],
)
def test_java_version_reads_every_banner(tmp_path: Path, banner: str, version: int | None) -> None:
    java = program(tmp_path, "java", f"echo '{banner}' >&2")

    assert java_version(str(java)) == version


def test_without_java_the_error_says_what_to_install(bin_dir: Path) -> None:
    with pytest.raises(DeployError, match="openjdk-17-jre-headless") as raised:
        find_java()

    assert raised.value.code == "java_missing"


def test_a_java_that_does_not_run_counts_as_none(bin_dir: Path) -> None:
    program(bin_dir, "java", "echo 'Unable to locate a Java Runtime' >&2; exit 1")

    with pytest.raises(DeployError) as raised:
        find_java()

    assert raised.value.code == "java_missing"


def test_an_old_java_is_named_with_its_version(bin_dir: Path) -> None:
    program(bin_dir, "java", "echo 'openjdk version \"11.0.2\"' >&2")

    with pytest.raises(DeployError, match="is Java 11") as raised:
        find_java()

    assert raised.value.code == "java_too_old"


def test_java_home_comes_before_path(bin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bin_dir, "java", "echo 'openjdk version \"11\"' >&2")
    (tmp_path / "jdk").mkdir()
    newer = program(tmp_path / "jdk" / "bin", "java", "echo 'openjdk version \"21\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))

    assert find_java() == str(newer)


def test_packages_are_fetched_once(bin_dir: Path, tmp_path: Path) -> None:
    program(bin_dir, "mvn", FETCHING)
    cache = tmp_path / "cache"

    first = ensure_jars(cache)
    second = ensure_jars(cache)

    assert first == second == jars_folder(cache)
    assert [path.name for path in first.iterdir()] == [f"kafka_2.13-{KAFKA_VERSION}.jar"]
    assert (tmp_path / "calls").read_text() == "fetched\n"
    assert sorted(path.name for path in cache.iterdir()) == [".kafka.lock", first.name]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f"{FETCHING}\necho '[ERROR] Could not resolve kafka'; exit 1", "Could not resolve kafka"),
        ("exit 0", "Maven said nothing"),
    ],
)
def test_a_failed_fetch_leaves_nothing_and_says_why(
    bin_dir: Path, tmp_path: Path, body: str, why: str
) -> None:
    program(bin_dir, "mvn", body)

    with pytest.raises(DeployError, match=why) as raised:
        ensure_jars(tmp_path / "cache")

    assert raised.value.code == "jars_fetch_failed"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".kafka.lock"]


def test_without_maven_the_error_says_what_to_install(bin_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="apt install maven") as raised:
        ensure_jars(tmp_path)

    assert raised.value.code == "maven_missing"


def test_a_cache_that_cannot_be_written_is_named(bin_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DeployError, match="cannot be written") as raised:
        ensure_jars(tmp_path / "file" / "cache")

    assert raised.value.code == "folder_not_writable"


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("LOOPIN_CACHE", raising=False)
    assert default_cache() == tmp_path / "xdg" / "loopin"

    monkeypatch.setenv("LOOPIN_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"


def test_the_package_list_names_the_version_and_no_address() -> None:
    pom = POM.read_text()

    assert pom.count(f"<version>{KAFKA_VERSION}</version>") == 2
    assert "://" not in pom
