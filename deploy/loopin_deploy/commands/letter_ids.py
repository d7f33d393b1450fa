"""How the commands of ``loopin dlq`` name letters."""

from __future__ import annotations

from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err
from loopin_streams.dead_letters.letters import LetterId


def letter_id(text: str) -> LetterId:
    """The place that ``partition:offset`` names.

    Raises:
        DeployError: ``id_invalid``.
    """
    partition, _, offset = text.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise DeployError(
            "id_invalid", "id", f"{text} is no id: give partition:offset, as `loopin dlq list` does."
        )
    return LetterId(int(partition), int(offset))


def not_found(at: LetterId) -> DeployError:
    """What to raise for a place where no letter is."""
    return DeployError("not_found", "id", f"There is no dead letter {at} (any more).")


def say_unreadable(at: LetterId) -> None:
    """Tell of a record that is no letter."""
    err.print(f"{at} is no dead letter of ours and is left out.", highlight=False)
