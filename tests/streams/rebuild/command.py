"""``loopin state rebuild`` on an installation, as its own process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping

from tests.deploy.command_line import Ran, clean_environment, run_process
from tests.streams.installation import Installation


def environment(installation: Installation, **store: str) -> dict[str, str]:
    """Variables that name the installation, and its store if that is not the embedded one."""
    settings = installation.settings
    return {
        "LOOPIN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "LOOPIN_TOPIC_PREFIX": settings.topic_prefix,
        "LOOPIN_PARTITIONS": str(settings.partitions),
        "LOOPIN_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
        "LOOPIN_DATA_DIR": str(installation.folder / "data"),
        "COLUMNS": "200",
        **store,
    }


def loopin(installation: Installation, *arguments: str, **more: str) -> Ran:
    """Run ``loopin ARGUMENT...``."""
    variables: Mapping[str, str] = environment(installation) | more
    return run_process(*arguments, env=variables)


def rebuild(installation: Installation, *arguments: str, **more: str) -> Ran:
    """Run ``loopin state rebuild --yes ARGUMENT...`` to its successful end."""
    ran = loopin(installation, "state", "rebuild", "--yes", *arguments, **more)
    assert ran.code == 0, ran.err
    return ran


def killed_rebuild(installation: Installation, point: str, passing: int) -> None:
    """``loopin state rebuild``, killed with -9 at the ``passing``-th passing of ``point``."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.streams.rebuild.killable_rebuild", point, str(passing)],
        env=clean_environment(**environment(installation)),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
