"""What a process of the system computes with numpy, it computes in one thread."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHOW = """
import loopin_deploy.cli, numpy, threadpoolctl
print({each["num_threads"] for each in threadpoolctl.threadpool_info() if each["internal_api"] == "openblas"})
"""


@pytest.mark.parametrize(("wanted", "threads"), [(None, "{1}"), ("2", "{2}")])
def test_one_thread_unless_the_operator_wants_more(wanted: str | None, threads: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    if wanted is not None:
        environment["OPENBLAS_NUM_THREADS"] = wanted
    run = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == threads
