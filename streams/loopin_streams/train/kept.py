"""The examples that a learner is put together from, as the state topic keeps them: in parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from loopin_schemas.codec import decoder, encode
from loopin_schemas.example import Example
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.kafka.state_record import read_state

PREFIX: Final = b"e:"

PART: Final = 500
"""Examples of a full record; those of smaller ones are put into one when they are so many."""

KEPT: Final = 10_000
"""Newest examples that a learner begins anew with."""

MOST: Final = 30_000
"""When a learner knows so many, it begins anew: putting it together again takes less than a minute."""


class Part(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Some examples of one target of a project, and where they stand among all.

    ``begun`` says with which version, and how many examples before, the learner of now began, ``again`` how
    many examples had been learned already by then.
    """

    number: int
    examples: list[Example]
    begun: tuple[int, int] = (0, 0)
    version: int = 1
    again: int = 0


_decode = decoder(Part).decode


class KeptExamples:
    """Those of one target of a project: full parts, and since the last of these a part for each batch."""

    def __init__(self, project: str, target: str) -> None:
        self.begun = (0, 0)
        self.again = 0
        self._key = f"{project}:{target}"
        self._parts: dict[int, list[Example]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._parts.values()))

    def __iter__(self) -> Iterator[Example]:
        for number in sorted(self._parts):
            yield from self._parts[number]

    def take(self, part: Part) -> None:
        """Take in what the state topic holds."""
        self._parts[part.number] = part.examples
        self.begun, self.again = max((self.begun, self.again), (part.begun, part.again))

    def add(self, examples: Sequence[Example]) -> Iterator[Message]:
        """Keep more; what to write."""
        small = self._small()
        number = max(self._parts, default=-1) + 1
        if sum(len(self._parts[one]) for one in small) + len(examples) >= PART:
            examples = [*(example for one in small for example in self._parts.pop(one)), *examples]
            number = small[0] if small else number
        last = number
        for at in range(0, len(examples), PART):
            last = number + at // PART
            self._parts[last] = list(examples[at : at + PART])
            yield self._message(last)
        yield from ((self._name(one), None) for one in small if one > last)

    def _small(self) -> list[int]:
        """The newest parts that are not full, oldest first."""
        found: list[int] = []
        for number in sorted(self._parts, reverse=True):
            if len(self._parts[number]) >= PART:
                break
            found.append(number)
        return found[::-1]

    def begin(self, examples: Sequence[Example], version: int, learned: int) -> None:
        """Keep the newest of all there are, of ``learned`` in all; ``version`` is the newest model's."""
        for _ in self.add(examples):
            pass
        for _ in self.begin_anew(version, learned):
            pass

    def whole(self) -> Iterator[Message]:
        """All that is kept; what to write where nothing is."""
        yield from (self._message(number) for number in sorted(self._parts))

    def begin_anew(self, version: int, learned: int) -> Iterator[Message]:
        """Keep the newest parts only, of ``learned`` examples in all; what to write.

        The newest part says how it began; so does each that is written later.
        """
        while len(self) - len(self._parts[first := min(self._parts)]) >= KEPT:
            del self._parts[first]
            yield self._name(first), None
        self.begun, self.again = (version, learned - len(self)), len(self)
        yield self._message(max(self._parts))

    def _message(self, number: int) -> Message:
        part = Part(
            number=number,
            examples=self._parts[number],
            begun=self.begun,
            version=STATE_VERSION,
            again=self.again,
        )
        return self._name(number), encode(part)

    def _name(self, number: int) -> bytes:
        return PREFIX + f"{self._key}:{number}".encode()


def kept_examples(state: Mapping[bytes, bytes]) -> dict[tuple[str, str], KeptExamples]:
    """All that the state topic holds, by project and target.

    Raises:
        RefusedToOpen: ``state_unreadable`` or ``state_version``.
    """
    found: dict[tuple[str, str], KeptExamples] = {}
    for key, value in state.items():
        if not key.startswith(PREFIX):
            continue
        what = f"The examples {key.decode()} on the topic train.state"
        part = read_state(value, _decode, what=what, topic="train.state", job="train")
        project, target = key.removeprefix(PREFIX).decode().split(":")[:2]
        found.setdefault((project, target), KeptExamples(project, target)).take(part)
    return found
