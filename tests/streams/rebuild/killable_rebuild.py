"""Runs ``loopin state rebuild --yes`` with a probe that kills the process at a named point.

Usage: ``python -m tests.streams.rebuild.killable_rebuild POINT PASSING``.
"""

from __future__ import annotations

import os
import sys
from functools import partial

from loopin_deploy.cli import main
from loopin_deploy.commands import state
from loopin_streams.rebuild.rebuild import Rebuild
from tests.streams.killable_worker import probe_of

if __name__ == "__main__":
    _, point, passing = sys.argv
    probe = probe_of(os.environ["LOOPIN_TOPIC_PREFIX"], point, int(passing), "SIGKILL")
    vars(state)["Rebuild"] = partial(Rebuild, probe=probe)
    sys.argv = ["loopin", "state", "rebuild", "--yes"]
    main()
