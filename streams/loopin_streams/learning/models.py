"""What the records of the topic ``models`` add up to."""

from __future__ import annotations

from collections.abc import Mapping

from loopin_schemas.codec import decode
from loopin_schemas.model import Model, ModelRecord, SessionModel, Standing
from loopin_streams.kafka.batch import Record

Of = tuple[str, str]
"""Project and name of the target."""


class Models:
    """What the records of the topic add up to; of one that cannot be read, what was before it stays."""

    def __init__(self) -> None:
        self.changes = 0
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
        """The version that answers for each target where one does; ``pinned`` ones do in any case."""
        found: dict[Of, Model] = {}
        for of, standing in self._standings.items():
            version = (pinned or {}).get(of)
            if version is None and standing.answers == "model":
                version = standing.version
            model = self._versions.get(of, {}).get(version or 0)
            if model is not None:
                found[of] = model
        return found

    def apply(self, record: Record) -> str | None:
        """Take in the next record; what is wrong with it, if it cannot be read."""
        self.changes += 1
        parts = (record.key or b"").decode(errors="replace").split(":")
        of = parts[0], parts[1] if len(parts) > 1 else ""
        if record.value is None:
            if len(parts) > 2 and parts[2].isdecimal():
                self._versions.get(of, {}).pop(int(parts[2]), None)
            return None
        try:
            found = decode(record.value, ModelRecord)
        except (ValueError, RecursionError) as error:
            return str(error)[:200]
        if found.model is not None:
            self._versions.setdefault(of, {})[found.model.version] = found.model
        if found.standing is not None:
            self._standings[of] = found.standing
        if found.sessions is not None:
            self._sessions[found.sessions.project] = found.sessions
        return None
