"""What the records of the topic ``models`` add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from loopin_schemas.codec import decode
from loopin_schemas.model import Model, ModelRecord, SessionModel, Standing
from loopin_streams.anomalies.features import TARGET as SESSIONS
from loopin_streams.kafka.batch import Record
from loopin_streams.learning.model_checks import fault_of_model, fault_of_sessions, fault_of_standing
from loopin_streams.learning.targets import TARGETS

_TARGETS: Final = {SESSIONS, *(target.name for target in TARGETS)}

Of = tuple[str, str]
"""Project and name of the target."""


class Unusable(NamedTuple):
    """The newest record of a key that cannot be used; what was before it stays.

    ``rubbish`` is of no release, while others may be able to read what is not.
    """

    key: str
    offset: int
    reason: str
    rubbish: bool = False


class Models:
    """What the records of the topic add up to; of one that cannot be used, what was before it stays.

    ``broken`` are these, by key, until a record of the same key can be used or removes it. A record whose key
    is that of no target can be used neither, but nothing rests on it: it is not among them.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.broken: dict[bytes, Unusable] = {}
        self._versions: dict[Of, dict[int, Model]] = {}
        self._standings: dict[Of, Standing] = {}
        self._sessions: dict[str, SessionModel] = {}

    @property
    def standings(self) -> Mapping[Of, Standing]:
        """How each target of each project stands."""
        return self._standings

    def sessions(self, project: str) -> SessionModel | None:
        """The newest model of a project's sessions."""
        return self._sessions.get(project)

    def versions(self, project: str, target: str) -> Mapping[int, Model]:
        """Those that there are, by number."""
        return self._versions.get((project, target), {})

    def answering(self, pinned: Mapping[Of, int] | None = None) -> dict[Of, Model]:
        """The version that answers for each target where one does.

        A ``pinned`` one does in any case, if it is there; 0 pins the heuristic. Where the one that is to
        answer cannot be used, the newest before it does.
        """
        pins = pinned or {}
        found: dict[Of, Model] = {}
        # Of copies: records are taken in by another thread than that which scores.
        for of in {*list(self._standings), *pins}:
            model = self._answering(of, pins.get(of))
            if model is not None:
                found[of] = model
        return found

    def apply(self, record: Record) -> str | None:
        """Take in the next record; what is wrong with it, if it cannot be used."""
        key = record.key or b""
        try:
            reason = self._applied(key, record.value)
        finally:
            # Last: who reads in another thread, and sees this number, sees all that it stands for.
            self.changes += 1
        if reason is None:
            self.broken.pop(key, None)
        elif of_key(key) is not None:
            name = key.decode("utf-8", "backslashreplace")
            self.broken[key] = Unusable(name, record.offset, reason, _is_rubbish(record.value))
        return reason

    def _answering(self, of: Of, pinned: int | None) -> Model | None:
        versions = self._versions.get(of, {})
        if pinned is not None and (pinned == 0 or pinned in versions):
            return versions.get(pinned)
        standing = self._standings.get(of)
        if standing is None or standing.answers != "model":
            return None
        wanted = standing.earlier or standing.version or 0
        usable = [number for number in list(versions) if number <= wanted]
        return versions.get(max(usable, default=0))

    def _applied(self, key: bytes, value: bytes | None) -> str | None:
        parts = key.decode(errors="replace").split(":")
        of = parts[0], parts[1] if len(parts) > 1 else ""
        if value is None:
            if len(parts) > 2 and parts[2].isdecimal():
                self._versions.get(of, {}).pop(int(parts[2]), None)
            return None
        try:
            found = decode(value, ModelRecord)
        except (ValueError, RecursionError) as error:
            return str(error)[:200]
        return self._take(key, found)

    def _take(self, key: bytes, found: ModelRecord) -> str | None:
        model, standing, sessions = found.model, found.standing, found.sessions
        if model is None and standing is None and sessions is None:
            return "it holds neither a model nor how one stands"
        if model is not None:
            if version_key(model.project, model.target, model.version) != key:
                return "its key is not that of the model in it"
            if (fault := fault_of_model(model)) is not None:
                return fault
            self._versions.setdefault((model.project, model.target), {})[model.version] = model
        if standing is not None:
            if standing_key(standing.project, standing.target) != key:
                return "its key is not that of the standing in it"
            if (fault := fault_of_standing(standing)) is not None:
                return fault
            self._standings[standing.project, standing.target] = standing
        if sessions is not None:
            if standing_key(sessions.project, SESSIONS) != key:
                return "its key is not that of the model of sessions in it"
            if (fault := fault_of_sessions(sessions)) is not None:
                return fault
            self._sessions[sessions.project] = sessions
        return None


def _is_rubbish(value: bytes | None) -> bool:
    try:
        decode(value or b"", Any)
    except (ValueError, RecursionError):
        return True
    return False


_NONE: Final = Models()


def no_models() -> Models:
    """Those of who follows no topic."""
    return _NONE


def of_key(key: bytes) -> tuple[Of, int | None] | None:
    """Of which target a record is, and of which version, None for its standing; None for neither."""
    project, _, named = key.decode("utf-8", "replace").partition(":")
    target, _, version = named.partition(":")
    if target not in _TARGETS or not (not version or version.isdecimal()):
        return None
    return (project, target), int(version) if version else None


def version_key(project: str, target: str, version: int) -> bytes:
    """The record key of a version."""
    return f"{project}:{target}:{version}".encode()


def standing_key(project: str, target: str) -> bytes:
    """The record key of how a target stands."""
    return f"{project}:{target}".encode()
