"""The last minutes of one topic for one project."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from loopin_api.live.frame import Frame
from loopin_api.live.place import Offsets, greater


class Ring:
    """Frames by key in the order in which they came; a frame replaces the one of its key.

    Args:
        lost: by partition, the offset below which frames may be missing from the start.
    """

    def __init__(self, lost: Offsets) -> None:
        self.lost = lost
        self.lost_seq = 0
        self.size = 0
        self._frames: OrderedDict[Hashable, Frame] = OrderedDict()

    def __len__(self) -> int:
        return len(self._frames)

    def get(self, key: Hashable) -> Frame | None:
        """The newest frame of a key."""
        return self._frames.get(key)

    def put(self, key: Hashable, frame: Frame) -> None:
        """Add a frame, the newest of all."""
        old = self._frames.pop(key, None)
        if old is not None:
            self.size -= old.size
        self._frames[key] = frame
        self.size += frame.size

    def between(self, after: int, until: int) -> list[Frame]:
        """The frames with ``after`` < seq <= ``until``."""
        found = []
        for frame in reversed(self._frames.values()):
            if frame.seq <= after:
                break
            if frame.seq <= until:
                found.append(frame)
        found.reverse()
        return found

    def lose_before(self, at: float) -> None:
        """Let go of the frames that came before a time."""
        while self._frames and next(iter(self._frames.values())).at < at:
            self.lose(1)

    def lose(self, frames: int) -> None:
        """Let go of the oldest frames."""
        for _ in range(min(frames, len(self._frames))):
            _, frame = self._frames.popitem(last=False)
            self.size -= frame.size
            self.lost_seq = frame.seq
            if frame.offset >= self.lost[frame.partition]:
                offsets = [0] * len(self.lost)
                offsets[frame.partition] = frame.offset + 1
                self.lost = greater(self.lost, tuple(offsets))
