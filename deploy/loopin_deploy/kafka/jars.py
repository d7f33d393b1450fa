"""Kafka's Java packages: fetched once with Maven into a cache folder, then reused."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from loopin_deploy.errors import DeployError, cannot_write
from loopin_deploy.file_lock import one_at_a_time

KAFKA_VERSION = "4.3.1"
MIN_JAVA = 17
FETCH_TIMEOUT_S = 600
POM = Path(__file__).with_name("pom.xml")
_COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def default_cache() -> Path:
    """``LOOPIN_CACHE``, or ``loopin`` in the user's cache folder (``XDG_CACHE_HOME`` or ``~/.cache``)."""
    if own := os.environ.get("LOOPIN_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "loopin"


def find_java() -> str:
    """Path of a Java runtime that can run the broker (``JAVA_HOME`` first, then ``PATH``).

    Raises:
        DeployError: ``java_missing`` or ``java_too_old``.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else None
    java = java or shutil.which("java")
    version = java_version(java) if java else None
    if java is None or version is None:
        raise DeployError(
            "java_missing",
            "java",
            f"Kafka needs Java {MIN_JAVA} or newer and none was found: install it "
            f"(Debian and Ubuntu: apt install openjdk-{MIN_JAVA}-jre-headless) or set JAVA_HOME.",
        )
    if version < MIN_JAVA:
        raise DeployError(
            "java_too_old",
            "java",
            f"Kafka needs Java {MIN_JAVA} or newer and {java} is Java {version}: install a newer one "
            f"(Debian and Ubuntu: apt install openjdk-{MIN_JAVA}-jre-headless) or set JAVA_HOME.",
        )
    return java


def java_version(java: str) -> int | None:
    """Major version of a Java runtime (8, 17, 21), or None if it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if done.returncode == 0 and found else None


def find_maven() -> str:
    """Path of Maven's ``mvn``.

    Raises:
        DeployError: ``maven_missing``.
    """
    if maven := shutil.which("mvn"):
        return maven
    raise DeployError(
        "maven_missing",
        "mvn",
        "Kafka's packages are fetched with Maven and it was not found: install it "
        "(Debian and Ubuntu: apt install maven), or point LOOPIN_KAFKA_BOOTSTRAP at a broker you have.",
    )


def jars_folder(cache: Path) -> Path:
    """Where the packages lie in a cache; named after what they are, so a changed list is fetched anew."""
    return cache / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"


def ensure_jars(cache: Path) -> Path:
    """Folder with Kafka's packages, fetched now if the cache lacks them (about 55 MB, once).

    Raises:
        DeployError: ``maven_missing``, ``jars_fetch_failed``, ``disk_full`` or
            ``folder_not_writable`` (of the cache, ``LOOPIN_CACHE``).
    """
    folder = jars_folder(cache)
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(cache / ".kafka.lock"):
            if not folder.is_dir():
                _fetch(folder)
    except OSError as error:
        raise cannot_write(cache, error) from error
    return folder


def _fetch(folder: Path) -> None:
    """Fill ``folder`` in one step: it exists complete or not at all."""
    maven = find_maven()
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as temporary:
        # Maven writes beside the pom it reads; an installed package may not be writable.
        pom = Path(shutil.copy(POM, temporary))
        jars = Path(temporary, "jars")
        command = [maven, "-q", "-B", "-C", "-f", str(pom), _COPY_JARS]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise _fetch_failed(f"no end after {FETCH_TIMEOUT_S} s", ()) from error
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if done.returncode != 0 or not any(jars.glob(f"kafka_*-{KAFKA_VERSION}.jar")):
            raise _fetch_failed(_first_error(lines), lines[-20:])
        jars.rename(folder)


def _first_error(lines: list[str]) -> str:
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    return (errors or lines or ["Maven said nothing"])[0][:300]


def _fetch_failed(why: str, lines: tuple[str, ...] | list[str]) -> DeployError:
    return DeployError(
        "jars_fetch_failed",
        "mvn",
        f"Kafka's packages could not be fetched with Maven ({why}): check the network and Maven's "
        "settings.xml (proxy, mirror) and run the command again.",
        lines,
    )
