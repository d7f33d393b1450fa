"""Handing text to the person's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from loopin_deploy.errors import DeployError


def edited(text: str, name: str) -> str:
    """The text as it is when the editor has ended; ``name`` is what the editor sees as the file's name.

    Raises:
        DeployError: ``editor_missing``, ``editor_failed``.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not command:
        raise DeployError(
            "editor_missing",
            "EDITOR",
            "No editor is set: set EDITOR (or VISUAL) to the command that starts it.",
        )
    # The folder is the person's alone: events hold personal data.
    with TemporaryDirectory(prefix="loopin-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
        except (OSError, ValueError) as error:
            raise DeployError(
                "editor_failed",
                "EDITOR",
                f"The editor {command} cannot be started ({error}): correct EDITOR.",
            ) from error
        if code != 0:
            raise DeployError(
                "editor_failed",
                "EDITOR",
                f"The editor {command} ended with code {code}: nothing was replayed.",
            )
        return path.read_text(encoding="utf-8", errors="replace")
