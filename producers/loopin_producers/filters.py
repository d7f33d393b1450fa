"""What the client does with an event before it is sent, as its options say."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from loopin_producers.errors import HookFailed, InvalidConfiguration
from loopin_producers.ids import id_forms
from loopin_producers.options import check_mappings, is_number
from loopin_schemas.sampling import sampled

BeforeSend = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Gets an event as a dict (``event``, ``distinct_id``, ``properties``, ``timestamp``, ``uuid``, ``groups``,
``session_id``, ``source``, ``parent_uuid``); returns what is to be sent instead, or None to send nothing."""

_NAMES: Final = frozenset(
    {
        *("event", "distinct_id", "properties", "timestamp", "uuid", "groups"),
        *("session_id", "source", "parent_uuid"),
    }
)

OptOut = Callable[[str], bool] | Container[Any]
"""Which users do not want to be tracked: a test of the distinct_id's text, or a collection of ids."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The options that change or leave out events, checked."""

    _before_send: tuple[BeforeSend, ...]
    super_properties: Mapping[str, Any]
    sample_rate: float
    _opt_out: Callable[[str], bool]
    let_all_pass: bool
    """Whether every event is sent as it is."""

    @classmethod
    def of(
        cls,
        before_send: BeforeSend | Sequence[BeforeSend] | None,
        super_properties: Mapping[str, Any] | None,
        sample_rate: float,
        opt_out: OptOut | None,
    ) -> Filters:
        """Raises InvalidConfiguration."""
        if not is_number(sample_rate) or not 0 <= sample_rate <= 1:
            raise InvalidConfiguration("Give sample_rate as a share from 0 to 1, such as 0.25.")
        chain = _chain(before_send)
        check_mappings(super_properties=super_properties)
        all_pass = not chain and opt_out is None and sample_rate >= 1
        return cls(chain, dict(super_properties or {}), sample_rate, _test(opt_out), all_pass)

    @property
    def change(self) -> bool:
        """Whether events may be changed before they are sent."""
        return bool(self._before_send)

    def outside_sample(self, project: str, distinct_id: str) -> bool:
        """Whether the user is not in the sample."""
        return not sampled(project, distinct_id, self.sample_rate)

    def opted_out(self, distinct_id: str) -> bool:
        """Whether the user does not want to be tracked.

        Raises:
            HookFailed: ``opt_out`` raised. Who may not want to be tracked is not.
        """
        try:
            return bool(self._opt_out(distinct_id))
        except Exception as error:
            raise _failed("opt_out", error) from error

    def changed(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """The event as ``before_send`` wants it, or None.

        Raises:
            HookFailed: one raised, or returned no event. It may have been there to remove something.
        """
        for function in self._before_send:
            try:
                found = function(event)
            except Exception as error:
                raise _failed("before_send", error) from error
            if found is None:
                return None
            event = _event(found)
        return event


def _chain(before_send: object) -> tuple[BeforeSend, ...]:
    if before_send is None or callable(before_send):
        return () if before_send is None else (before_send,)
    if not isinstance(before_send, Sequence) or not all(map(callable, before_send)):
        raise InvalidConfiguration("Give before_send as a function, or a list of functions.")
    return tuple(before_send)


def _event(found: object) -> dict[str, Any]:
    """What ``before_send`` returned, if it has an event's names. Raises HookFailed."""
    if not isinstance(found, Mapping):
        raise _no_event(f"a {type(found).__name__}")
    for name in ("event", "distinct_id"):
        if name not in found:
            raise _no_event(f"no {name}")
    if unknown := found.keys() - _NAMES:
        raise _no_event(f"the unknown name {min(map(str, unknown))!r}")
    return dict(found)


def _no_event(what: str) -> HookFailed:
    return HookFailed(
        f"Event dropped: before_send returned {what}; return the dict that it got, changed, or None to send "
        "nothing."
    )


def own_copy(value: Any) -> Any:
    """A copy that may be changed: all mappings, lists and sets within are copies, too."""
    of = type(value)  # an instance may be a lazy one
    if issubclass(of, Mapping):
        return {name: own_copy(item) for name, item in value.items()}
    if issubclass(of, list | tuple):
        return [own_copy(item) for item in value]
    return set(value) if issubclass(of, set) else value


def _failed(hook: str, error: Exception) -> HookFailed:
    return HookFailed(f"Event dropped: {hook} raised {type(error).__name__}; correct it.")


def _test(opt_out: OptOut | None) -> Callable[[str], bool]:
    if opt_out is None:
        return _nobody
    if callable(opt_out):
        return opt_out
    if isinstance(opt_out, str):
        raise InvalidConfiguration("Give opt_out as a collection of distinct_ids, or a test of one.")
    if not isinstance(opt_out, Container):
        raise InvalidConfiguration("Give opt_out as a collection of distinct_ids, or a test of one.")
    if isinstance(opt_out, set | frozenset | list | tuple | dict):
        return lambda distinct_id: any(form in opt_out for form in id_forms(distinct_id))
    return opt_out.__contains__


def _nobody(_: str) -> bool:
    return False
