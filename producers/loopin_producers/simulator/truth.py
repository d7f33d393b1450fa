"""The truth about a world, in files beside its events; written as the world goes on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from loopin_producers.simulator.actions.checkout import EFFECT, EXPERIMENT, VARIANTS
from loopin_producers.simulator.anomalies import Anomaly
from loopin_producers.simulator.errors import SimulationError
from loopin_producers.simulator.organisers import PlatformEvent
from loopin_producers.simulator.population import CATEGORIES, User
from loopin_schemas import encode

STREAMS = ("users", "travel", "events", "moods", "bots")
"""Files of one JSON object a line."""


class Truth(Protocol):
    """Takes notes of the truth."""

    def note(self, stream: str, record: dict[str, Any]) -> None:
        """One record of one of ``STREAMS``."""

    def mood(self, record: bytes) -> None:
        """The encoded truth about a text."""

    def anomalies(self, anomalies: Iterable[Anomaly]) -> None:
        """All anomalies so far."""


class NoTruth:
    """For a run whose truth nobody keeps."""

    def note(self, stream: str, record: dict[str, Any]) -> None: ...

    def mood(self, record: bytes) -> None: ...

    def anomalies(self, anomalies: Iterable[Anomaly]) -> None: ...


class TruthFiles:
    """Writes ``folder``; files of an earlier run are replaced.

    Raises:
        SimulationError: ``truth_unwritable``.
    """

    def __init__(self, folder: Path, parameters: msgspec.Struct) -> None:
        self._folder = folder
        self._stack = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            opened = {name: (folder / f"{name}.ndjson").open("wb") for name in STREAMS}
            self._files = {name: self._stack.enter_context(file) for name, file in opened.items()}
            self._document("parameters", parameters)
            self._document(
                "experiment", {"name": EXPERIMENT, "variants": VARIANTS, "purchase_factor": EFFECT}
            )
        except OSError as error:
            reason = f"Make {folder} a folder that can be written, for the truth: {error.strerror}."
            raise SimulationError("truth_unwritable", reason) from error

    def note(self, stream: str, record: dict[str, Any]) -> None:
        """One record of one of ``STREAMS``."""
        self._files[stream].write(encode(record) + b"\n")

    def mood(self, record: bytes) -> None:
        """The encoded truth about a text."""
        self._files["moods"].write(record + b"\n")

    def anomalies(self, anomalies: Iterable[Anomaly]) -> None:
        """Write the list anew."""
        self._document("anomalies", [anomaly_truth(anomaly) for anomaly in anomalies])

    def _document(self, name: str, content: Any) -> None:
        fresh = self._folder / f"{name}.json.new"
        fresh.write_bytes(encode(content) + b"\n")
        fresh.replace(self._folder / f"{name}.json")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def anomaly_truth(anomaly: Anomaly) -> dict[str, Any]:
    """Record of an anomaly; times in epoch ms."""
    return {
        "kind": anomaly.kind.name,
        "start": anomaly.start_ms,
        "end": anomaly.end_ms,
        "effect": anomaly.kind.effect,
    }


def event_truth(event: PlatformEvent) -> dict[str, Any]:
    """Record of a platform event; times in epoch ms."""
    return {
        "event_id": event.id,
        "organiser": event.organiser.id,
        "category": CATEGORIES[event.category],
        "city": event.city.name,
        "price": event.price,
        "currency": event.city.currency,
        "capacity": event.capacity,
        "appeal": round(event.appeal, 4),
        "quality": round(event.quality, 4),
        "created": event.created_ms,
        "starts": event.starts_ms,
        "cancelled": event.cancelled_ms,
        "cancelled_by": event.cancelled_by,
    }


def user_truth(user: User, zone: str, city: str, friends: Iterable[str]) -> dict[str, Any]:
    """Record of a user; days are the world's, numbered from its start, ``churn`` is epoch ms."""
    return {
        "user": user.id,
        "persona": user.persona.name,
        "signup_day": user.signup_day,
        "churn": user.churn_ms,
        "churn_day": round(user.churn_day, 3),
        "decline_days": round(user.decline_days, 3),
        "deletes_account": user.deletes,
        "satisfaction": round(user.satisfaction, 4),
        "visits_a_day": round(user.visits, 4),
        "zone": zone,
        "home": city,
        "interests": [CATEGORIES[number] for number in user.interests],
        "anonymous_ids": user.anonymous_ids,
        "variant": VARIANTS[user.treated],
        "friends": list(friends),
    }
