"""The folder of a spool: private, and one for each place that events go to."""

from __future__ import annotations

import os
import stat
import tempfile
from hashlib import blake2b
from pathlib import Path


def default_folder() -> Path:
    """``LOOPIN_SPOOL_DIR``, else the user's state folder, else, without one, a private temporary one."""
    named = os.environ.get("LOOPIN_SPOOL_DIR")
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME")
    if state:
        return Path(state) / "loopin" / "spool"
    home = Path(os.path.expanduser("~"))
    if home.is_absolute() and home != Path("/") and os.access(home, os.W_OK):
        return home / ".local" / "state" / "loopin" / "spool"
    return Path(tempfile.gettempdir()) / f"loopin-spool-{os.getuid()}"


def folder_of(root: Path, destination: str) -> Path:
    """Where events for ``destination`` (brokers and topic, or an address and key) wait, below ``root``.

    Each has its own folder, so that nobody delivers another's events to the wrong place. Named by a hash,
    since a destination may hold a key.
    """
    return root / blake2b(destination.encode(), digest_size=12).hexdigest()


def make_private(folder: Path) -> None:
    """Make the folder, for this user alone.

    Raises:
        OSError: it cannot be made, or belongs to somebody else: events hold personal data, and whoever may
            write there could publish in our name.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not this user's own folder")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
