"""Workers killed with SIGKILL while it is decided who is one person."""

from __future__ import annotations

from dataclasses import replace

from tests.faults.case import Case
from tests.faults.cases.worker_kills import kill_at
from tests.faults.load import Shape
from tests.faults.scene import Scene

DECIDING = ("sent:identity.links", "sent:persons", "sent:person.merges", "sent:identity.state")
"""Once a request is published, and once its decision is, each before the commit."""


def _deciding(scene: Scene) -> None:
    kill_at(scene, DECIDING, 1)


def _more_anonymous(shape: Shape) -> Shape:
    """So many that each part of the flow asks for something."""
    return replace(shape, anonymous_one_of=5)


IDENTITY: tuple[Case, ...] = (
    Case(
        "identity-kill",
        "kill -9 of a worker between the publish of a decision on persons and its commit",
        _deciding,
        shape=_more_anonymous,
    ),
)
