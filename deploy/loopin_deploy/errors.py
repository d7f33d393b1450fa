"""The one error that starting, stopping or setting up the system raises."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path


class DeployError(RuntimeError):
    """Something on this machine keeps the system from running.

    Attributes:
        code: stable lower_snake reason for programs, e.g. ``port_taken``.
        field: the setting or path at fault, or None when no single one is.
        reason: one sentence for a person, saying what to do.
        log_lines: last lines of the failed process's log, oldest first; empty when there is none.
    """

    def __init__(self, code: str, field: str | None, reason: str, log_lines: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.code = code
        self.field = field
        self.reason = reason
        self.log_lines = tuple(log_lines)

    def __reduce__(self) -> tuple[type[DeployError], tuple[str, str | None, str, tuple[str, ...]]]:
        return (DeployError, (self.code, self.field, self.reason, self.log_lines))


def cannot_write(path: Path, error: OSError) -> DeployError:
    """What to raise for a folder that took no data: ``disk_full`` or ``folder_not_writable``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = f"The disk that holds {path} is full: free some space or use another folder."
        return DeployError("disk_full", str(path), reason)
    return DeployError(
        "folder_not_writable",
        str(path),
        f"{path} cannot be written ({error.strerror or error}): change its owner or rights, or use another "
        "folder.",
    )


def machine_fault(error: OSError) -> DeployError:
    """What to show for an error of the system that no one closer could explain: its words, and a way on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = "The disk is full: free some space, or set LOOPIN_DATA_DIR to another folder."
        return DeployError("disk_full", "LOOPIN_DATA_DIR", reason)
    if error.errno == errno.EADDRINUSE:
        reason = "The port of /healthz is taken: stop what uses it, or set LOOPIN_HEALTH_PORT to another one."
        return DeployError("port_taken", "LOOPIN_HEALTH_PORT", reason)
    words = error.strerror or str(error) or type(error).__name__
    place = f"{error.filename}: " if error.filename else ""
    return DeployError("machine_fault", None, f"{place}{words}: put that right and run the command again.")
