"""Keys that `loopin up` and `loopin demo` make for themselves on first start.

They are in a file, not among those of `loopin keys`: whoever owns the data folder gets in whatever the broker
has lost, and shows them again at each start.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from loopin_deploy.errors import DeployError, cannot_write
from loopin_schemas.key_format import hash_key, new_key

WRITE_SCOPES = ("ingest",)
PERSONAL_SCOPES = ("read", "write", "admin")


class Key(msgspec.Struct, frozen=True):
    """One API key: what it opens (``scopes``) in which project. Its text is not shown by ``repr``."""

    key: str
    project: str
    scopes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Key(project={self.project!r}, scopes={self.scopes!r})"


class Secrets(msgspec.Struct, frozen=True):
    """What the services of one data folder trust; its texts are not shown by ``repr``."""

    jwt_secret: str
    keys: tuple[Key, ...]

    def __repr__(self) -> str:
        return f"Secrets(keys={self.keys!r})"

    def write_key(self, project: str) -> str:
        """The project's key for sending events.

        Raises:
            KeyError: the project has none.
        """
        return self._key(project, WRITE_SCOPES)

    def personal_key(self, project: str) -> str:
        """The project's key for queries, corrections and configuration.

        Raises:
            KeyError: the project has none.
        """
        return self._key(project, PERSONAL_SCOPES)

    def _key(self, project: str, scopes: tuple[str, ...]) -> str:
        for key in self.keys:
            if key.project == project and key.scopes == scopes:
                return key.key
        raise KeyError(project)


def load_or_create_secrets(path: Path, projects: Iterable[str] = ("default",)) -> Secrets:
    """Secrets of the file at ``path``; whatever is missing, the file or a project's keys, is made and kept.

    The file has mode 0600 from its first byte on.

    Raises:
        DeployError: ``secrets_readable_by_others``, ``secrets_invalid``, ``disk_full`` or
            ``folder_not_writable``.
    """
    try:
        known = _load(path)
        wanted = known or Secrets(jwt_secret=secrets.token_urlsafe(32), keys=())
        for project in projects:
            if not any(key.project == project for key in wanted.keys):
                wanted = msgspec.structs.replace(wanted, keys=wanted.keys + _new_keys(project))
        if wanted != known:
            _save(path, wanted)
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    return wanted


def write_keys_file(path: Path, keys: Iterable[Key]) -> None:
    """Write the keys as the API reads them (``LOOPIN_KEYS_FILE``): their SHA-256, never the keys themselves.

    Raises:
        DeployError: ``disk_full`` or ``folder_not_writable``.
    """
    entries = [
        {
            "name": f"{key.project} {'write' if key.scopes == WRITE_SCOPES else 'personal'} key",
            "project": key.project,
            "scopes": key.scopes,
            "sha256": hash_key(key.key),
        }
        for key in keys
    ]
    try:
        _save(path, entries)
    except OSError as error:
        raise cannot_write(path.parent, error) from error


def _new_keys(project: str) -> tuple[Key, Key]:
    return (
        Key(new_key("write"), project, WRITE_SCOPES),
        Key(new_key("personal"), project, PERSONAL_SCOPES),
    )


def _load(path: Path) -> Secrets | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise DeployError(
                "secrets_readable_by_others",
                str(path),
                f"Other users may read the secrets in {path}: run `chmod 600` on it, or delete it for new "
                "ones.",
            )
        try:
            return msgspec.json.decode(file.read(), type=Secrets)
        except msgspec.DecodeError as error:
            raise DeployError(
                "secrets_invalid",
                str(path),
                f"The secrets in {path} cannot be read ({error}): restore the file, or delete it to have new "
                "ones.",
            ) from error


def _save(path: Path, content: object) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
