"""What was learned from rated texts, and the three small files that it is kept in."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from loopin_text.once import once
from loopin_text.opinion.linear import Outputs
from loopin_text.opinion.stack import Stack

FOLDER: Final = Path(__file__).parent / "models"
"""The files that ``python -m loopin_text.opinion.train`` writes."""

LARGEST: Final = 127
"""Weights are kept as whole numbers of one byte, from -127 to 127."""


class _LinearFile(msgspec.Struct, frozen=True):
    intercepts: Outputs
    step: float
    """What one of the whole numbers stands for."""
    grams: str
    """One a line, in order of the alphabet."""
    weights: str
    """Three signed bytes for each n-gram, in base64."""


@dataclass(frozen=True)
class Learned:
    """All parameters of the methods and of their combination."""

    valences: Mapping[str, int]
    """The lexicon: -5 to 5, by word."""
    intercepts: Outputs
    """The linear model's."""
    weights: Mapping[str, Outputs]
    """The linear model's, by n-gram."""
    stacks: tuple[Stack, ...]
    """The combinations, the one of most methods first."""

    def write(self, folder: Path, step: float) -> None:
        """Keep it in a folder; ``step`` is what all weights of n-grams are multiples of."""
        grams = sorted(self.weights)
        whole = [round(weight / step) for gram in grams for weight in self.weights[gram]]
        linear = _LinearFile(
            intercepts=self.intercepts,
            step=step,
            grams="\n".join(grams),
            weights=base64.b64encode(bytes(each & 0xFF for each in whole)).decode(),
        )
        folder.mkdir(exist_ok=True)
        (folder / "lexicon.json").write_bytes(_lines(dict(sorted(self.valences.items()))))
        (folder / "linear.json").write_bytes(msgspec.json.encode(linear) + b"\n")
        (folder / "combination.json").write_bytes(msgspec.json.encode(self.stacks) + b"\n")


def _lines(valences: Mapping[str, int]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(valences), indent=1) + b"\n"


def read(folder: Path) -> Learned:
    """What ``Learned.write`` has kept.

    Raises:
        OSError, msgspec.DecodeError: a file is not there, or is not what was written.
    """
    linear = msgspec.json.decode((folder / "linear.json").read_bytes(), type=_LinearFile)
    packed = base64.b64decode(linear.weights)
    values = [(each - 256 if each > LARGEST else each) * linear.step for each in packed]
    return Learned(
        valences=msgspec.json.decode((folder / "lexicon.json").read_bytes(), type=dict[str, int]),
        intercepts=linear.intercepts,
        weights=dict(
            zip(linear.grams.split("\n"), map(Outputs, values[::3], values[1::3], values[2::3]), strict=True)
        ),
        stacks=msgspec.json.decode((folder / "combination.json").read_bytes(), type=tuple[Stack, ...]),
    )


@once
def learned() -> Learned:
    """What this release has learned, read at the first call (some 20 ms)."""
    return read(FOLDER)
