"""The folder of a spool: private, and one for each place that events go to."""

from __future__ import annotations

import os
import stat
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit, urlunsplit

from loopin_producers.spool.writer_folder import SUFFIX, WriterFolder

_DESCRIPTION: Final = "destination"
_UNREAD_S: Final = 3600


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


class Destination(NamedTuple):
    """Where events go: ``kafka`` and the topic, or ``http`` and whose they are; and its addresses."""

    kind: Literal["kafka", "http"]
    name: str
    addresses: tuple[str, ...]

    @classmethod
    def kafka(cls, bootstrap_servers: str, topic: str) -> Self:
        """Brokers (host:port, comma separated) in any order, and a topic."""
        brokers = {broker.strip().lower() for broker in bootstrap_servers.split(",")}
        return cls("kafka", topic, tuple(sorted(brokers - {""})))

    @classmethod
    def http(cls, url: str, project: str | None, api_key: str) -> Self:
        """The API at ``url``, and the project.

        Where it is not named only the key tells it: then events that wait belong to the key, known by a hash.
        """
        parsed = urlsplit(url)
        address = urlunsplit(parsed._replace(netloc=parsed.netloc.rpartition("@")[2])).rstrip("/")
        whose = f"project {project}" if project else f"key {_hash(api_key)[:12]}"
        return cls("http", whose, (address,))

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {','.join(self.addresses)}"

    def shares(self, described: str) -> bool:
        """Whether what another destination says of itself names the same place.

        That is so when one address is the same: brokers of one cluster have no other in common.
        """
        before, _, addresses = described.strip().rpartition(" ")
        same = before == f"{self.kind} {self.name}"
        return same and not set(self.addresses).isdisjoint(addresses.split(","))


def folder_of(root: Path, destination: Destination) -> Path:
    """Where events for ``destination`` wait, below ``root``.

    Each has its own folder, so that nobody delivers another's events to the wrong place.
    """
    return root / _hash(str(destination))


def describe(folder: Path, destination: Destination) -> None:
    """Write down, for others and for people, where the folder's events go. Raises OSError."""
    make_private(folder)
    if description(folder) != str(destination):
        (folder / _DESCRIPTION).write_text(f"{destination}\n")


def description(folder: Path) -> str:
    """What :func:`describe` wrote, or nothing."""
    try:
        return (folder / _DESCRIPTION).read_text(errors="replace").strip()
    except OSError:
        return ""


def kin(root: Path, destination: Destination) -> list[Path]:
    """The other folders below ``root`` whose events go to the same place: one with fewer brokers, say."""
    own = folder_of(root, destination)
    return [folder for folder in _others(root, own) if destination.shares(description(folder))]


def unread(root: Path, destination: Destination, now: float) -> list[Path]:
    """The folders below ``root`` with events for elsewhere that have waited for an hour (``now``: s).

    While one of the processes that wrote them lives, they are its own to deliver.
    """
    mine = {folder_of(root, destination), *kin(root, destination)}
    return [folder for folder in _others(root, *mine) if _waits(folder, now - _UNREAD_S)]


def _waits(folder: Path, since: float) -> bool:
    """Whether processes that have ended left events there, none of them after ``since`` (s)."""
    events = list(folder.glob(f"*/*{SUFFIX}"))
    if not events or any(_written(path) > since for path in events):
        return False
    for writer in {path.parent for path in events}:
        taken = WriterFolder.take_over(writer)
        if taken is None:
            return False
        taken.forget()
    return True


def _written(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _others(root: Path, *own: Path) -> list[Path]:
    """The folders of this user, but these: what another one has put there is not ours to publish."""
    try:
        return sorted(path for path in root.iterdir() if path not in own and _private(path.lstat()))
    except OSError:
        return []


def _private(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()


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
