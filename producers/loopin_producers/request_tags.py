"""The tags of a request, which say of an anonymous one that it is: in every capture as of then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from loopin_producers.context import context_names_user

if TYPE_CHECKING:
    from _collections_abc import dict_keys

_DEVICE: Final = "$device_id"


class RequestTags(dict[str, Any]):
    """A request's tags, with ``$device_id`` while its user is not known, which may change with each capture.

    By PostHog's convention an event is anonymous whose user is its device; what a view captures of somebody
    whom it names is not. A ``$device_id`` that somebody has tagged stays.

    Args:
        tags: those that do not change.
        device: the anonymous id, or None where the server knows the user.
    """

    def __init__(self, tags: Mapping[str, Any], device: Callable[[], str | None]) -> None:
        super().__init__(tags)
        self._device = device
        self._lent: str | None = None

    def copy(self) -> dict[str, Any]:
        """As a capture takes them; in a context within this one it takes them by their names."""
        self.keys()
        return dict(super().items())  # dict's own `copy` would ask for the names again

    def keys(self) -> dict_keys[str, Any]:
        """The names, as of now."""
        if self.get(_DEVICE) == self._lent:
            self._lent = None if context_names_user() else self._device()
            if self._lent is None:
                self.pop(_DEVICE, None)
            else:
                self[_DEVICE] = self._lent
        return super().keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())
