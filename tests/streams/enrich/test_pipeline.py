"""The tuple of steps, and what ``run`` does with outcomes and with steps that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loopin_streams.enrich.draft import Context, Dlq, Draft, Drop, Outcome
from loopin_streams.enrich.pipeline import SHARE, STEPS, Step, run
from tests.streams.enrich.drafts import RawRecord, body, context


def drafts(number: int) -> list[Draft]:
    return [Draft(RawRecord(body(), offset)) for offset in range(number)]


def offsets(found: Sequence[Draft]) -> list[int]:
    return [draft.record.offset for draft in found]


def test_the_steps_in_their_order() -> None:
    arrival = ("decode", "validate", "repeated_names", "clock_skew", "partition", "duplicate")
    counts = ("anonymous", "sampling", "lateness")
    content = ("scrub", "catalogue", "sentiment", "bot", "private_text")
    visitor = ("geo", "ip", "user_agent")
    end = ("fingerprint", "session", "encode")
    assert tuple(step.name for step in STEPS) == (*arrival, *counts, *content, *visitor, *end)
    assert all((step.each is None) != (step.batch is None) for step in STEPS)


def test_those_that_pass_keep_their_order_and_the_others_name_their_step() -> None:
    def even(draft: Draft, _: Context) -> Outcome:
        return Drop("odd") if draft.record.offset % 2 else None

    def small(draft: Draft, _: Context) -> Outcome:
        return Dlq("too_big", "offset", "Too big.") if draft.record.offset > 5 else None

    found = drafts(10)
    passed = run(found, context(), (Step("even", each=even), Step("small", each=small)))
    assert offsets(passed) == [0, 2, 4]
    assert [draft.step for draft in found] == ["", "even"] * 3 + ["small", "even"] * 2
    assert [type(draft.outcome) for draft in found[5:8]] == [Drop, Dlq, Drop]


def test_a_step_sees_only_what_the_earlier_ones_let_through() -> None:
    seen: list[int] = []

    def watch(found: Sequence[Draft], _: Context) -> None:
        seen.extend(offsets(found))

    def second_only(draft: Draft, _: Context) -> Outcome:
        return None if draft.record.offset == 1 else Drop("other")

    run(drafts(3), context(), (Step("one", each=second_only), Step("watch", batch=watch)))
    assert seen == [1]


def test_a_step_that_raises_makes_one_dead_letter_and_the_rest_go_on() -> None:
    def fragile(draft: Draft, _: Context) -> Outcome:
        if draft.record.offset == 1:
            raise RecursionError("secret text of the event")
        return None

    found = drafts(3)
    assert offsets(run(found, context(), (Step("fragile", each=fragile),))) == [0, 2]
    outcome = found[1].outcome
    assert isinstance(outcome, Dlq)
    assert (outcome.reason, found[1].step) == ("internal_error", "fragile")
    assert "fragile" in outcome.message
    assert "secret" not in outcome.message


def test_a_batch_step_marks_outcomes_itself() -> None:
    def last_only(found: Sequence[Draft], _: Context) -> None:
        for draft in found[:-1]:
            draft.outcome = Drop("not_last")

    found = drafts(3)
    assert offsets(run(found, context(), (Step("last", batch=last_only),))) == [2]
    assert [draft.step for draft in found] == ["last", "last", ""]


def test_a_batch_step_that_raises_makes_dead_letters_of_its_events_only() -> None:
    def odd_ones_out(draft: Draft, _: Context) -> Outcome:
        return Drop("odd") if draft.record.offset % 2 else None

    def broken(found: Sequence[Draft], _: Context) -> None:
        raise KeyError("secret text of an event")

    found = drafts(4)
    assert run(found, context(), (Step("odd", each=odd_ones_out), Step("broken", batch=broken))) == []
    assert [draft.step for draft in found] == ["broken", "odd", "broken", "odd"]
    outcomes = [draft.outcome for draft in found]
    assert outcomes[1] == Drop("odd")
    assert isinstance(outcomes[0], Dlq)
    assert (outcomes[0].reason, "secret" in outcomes[0].message) == ("internal_error", False)


def test_nothing_in_nothing_out() -> None:
    assert run([], context()) == []


def test_every_draft_passes_every_step_in_shares_too() -> None:
    log: list[tuple[str, int]] = []

    def noting(name: str) -> Callable[[Draft, Context], Outcome]:
        def note(draft: Draft, _: Context) -> Outcome:
            log.append((name, draft.record.offset))
            return Drop("third") if name == "first" and draft.record.offset % 3 == 0 else None

        return note

    whole: list[int] = []
    steps = (
        Step("first", each=noting("first")),
        Step("second", each=noting("second")),
        Step("whole", batch=lambda found, _: whole.extend(offsets(found))),
        Step("last", each=noting("last")),
    )
    number = 2 * SHARE + 7
    found = drafts(number)
    left = [offset for offset in range(number) if offset % 3]
    at = context()
    assert offsets(run(found, at, steps)) == left == whole
    assert [offset for name, offset in log if name == "first"] == list(range(number))
    assert [offset for name, offset in log if name == "second"] == left
    assert log.index(("second", 1)) < log.index(("first", number - 1)), "a share goes on before the next one"
    assert {name: given for name, (_, given) in at.costs.sums().items()} == {
        **dict.fromkeys(("second", "whole", "last"), len(left)),
        "first": number,
    }


def test_steps_that_ask_for_properties_are_given_only_who_sent_one() -> None:
    seen: list[int] = []

    def watch(draft: Draft, _: Context) -> Outcome:
        seen.append(draft.record.offset)
        return None

    def add(draft: Draft, _: Context) -> Outcome:
        draft.add({"ip": "made by a step"})
        return None

    sent: list[dict[str, object]] = [{}, {"ip": "1.2.3.4"}, {"other": 1}, {"agent": 1, "ip": None}]
    found = [Draft(RawRecord(body(properties=each), offset)) for offset, each in enumerate(sent)]
    before = (STEPS[0], STEPS[1], Step("agent", each=watch, properties=frozenset(["agent"])))
    steps = (*before, Step("add", each=add), Step("ip", each=watch, properties=frozenset(["ip", "$ip"])))
    assert run(found, context(), steps) == found
    assert seen == [1, 3, 1, 3]


def test_steps_that_ask_for_properties_are_not_given_what_an_earlier_step_decided_on() -> None:
    seen: list[tuple[str, int]] = []

    def watching(name: str) -> Callable[[Draft, Context], Outcome]:
        def watch(draft: Draft, _: Context) -> Outcome:
            seen.append((name, draft.record.offset))
            return Drop("first") if name == "first" and draft.record.offset == 1 else None

        return watch

    def third(draft: Draft, _: Context) -> Outcome:
        return Drop("third") if draft.record.offset == 2 else None

    found = [Draft(RawRecord(body(properties={"ip": "1.2.3.4"}), offset)) for offset in range(4)]
    asks = frozenset(["ip"])
    steps = (
        *(STEPS[0], STEPS[1], Step("first", each=watching("first"), properties=asks)),
        *(Step("second", each=watching("second"), properties=asks), Step("third", each=third)),
        Step("last", each=watching("last"), properties=asks),
    )
    assert offsets(run(found, context(), steps)) == [0, 3]
    assert [offset for name, offset in seen if name == "second"] == [0, 2, 3]
    assert [offset for name, offset in seen if name == "last"] == [0, 3]
    assert [draft.step for draft in found] == ["", "first", "third", ""]
