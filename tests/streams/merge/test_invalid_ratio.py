"""When too many records are refused somebody is told: once an hour, by project and reason."""

from __future__ import annotations

import pytest

from loopin_schemas.alert import Alert
from loopin_schemas.window import Cell, Grain, Window
from loopin_streams.merge.invalid_ratio import InvalidRatio, InvalidRatioLimits
from loopin_streams.merge.merged_windows import MergedWindow, MergedWindows

MINUTE, HOUR = 60_000, 3_600_000
NOW = 1_800_000_000_000
T = NOW - NOW % HOUR


def minute(
    received: int, reasons: dict[str, int], *, project: str = "demo", start: int = T, partitions: int = 1
) -> MergedWindow:
    """A minute's window of so many records, from each of so many raw partitions."""
    windows = MergedWindows()
    cells = [
        Cell("records_received", "", "", received),
        Cell("records_rejected", "", "", sum(reasons.values())),
        *(Cell("records_rejected", "reason", reason, number) for reason, number in reasons.items()),
    ]
    if not reasons:
        cells = cells[:1]
    part = Window(project=project, grain="minute", start=start, cells=cells)
    for partition in range(partitions):
        [window] = windows.take(partition, [part])
    return window


def rule(**limits: object) -> InvalidRatio:
    return InvalidRatio(InvalidRatioLimits(**limits))  # type: ignore[arg-type]


def looked(window: MergedWindow, of: InvalidRatio | None = None) -> list[Alert]:
    return (of or rule()).look(window, NOW)


def test_more_than_the_share_alerts_and_says_what_to_do() -> None:
    assert looked(minute(400, {"not_json": 24})) == [
        Alert(
            id=f"invalid_ratio:demo:not_json:{T}",
            rule="invalid_ratio",
            project="demo",
            severity="warning",
            message=(
                "6.0% of the records of project demo were refused as not_json within a minute (limit 5.0%): "
                "see `loopin dlq list --reason not_json --project demo`."
            ),
            observed=0.06,
            threshold=0.05,
            labels={"reason": "not_json"},
            window_start=T,
            raised_at=NOW,
        )
    ]


@pytest.mark.parametrize(
    ("received", "reasons"),
    [(400, {}), (400, {"a": 20}), (4000, {"a": 200}), (20, {"a": 19}), (400, {"a": 20, "b": 20, "c": 20})],
)
def test_up_to_the_share_of_each_reason_and_for_a_few_records_it_is_quiet(
    received: int, reasons: dict[str, int]
) -> None:
    assert looked(minute(received, reasons)) == []


@pytest.mark.parametrize(
    ("refused", "severity"), [(21, "warning"), (199, "warning"), (200, "critical"), (400, "critical")]
)
def test_half_of_the_records_are_critical(refused: int, severity: str) -> None:
    assert [alert.severity for alert in looked(minute(400, {"a": refused}))] == [severity]


def test_each_reason_alerts_for_itself() -> None:
    alerts = looked(minute(100, {"a": 30, "b": 40, "c": 2}))
    assert {alert.labels["reason"]: alert.observed for alert in alerts} == {"a": 0.3, "b": 0.4}
    assert len({alert.id for alert in alerts}) == 2


def test_the_shares_of_all_partitions_count_together() -> None:
    assert looked(minute(100, {"a": 8})) == []
    [alert] = looked(minute(100, {"a": 8}, partitions=3))
    assert alert.observed == 0.08


def test_records_that_name_no_project_have_a_sentence_of_their_own() -> None:
    [alert] = looked(minute(100, {"not_json": 100}, project=""))
    assert alert.message.startswith("100.0% of the records that name no project were refused as not_json")
    assert "--project" not in alert.message


def test_limits_by_project_and_by_reason_of_a_project() -> None:
    limits = {"shop": 0.5, "shop/a": 1.0, "demo/b": 0.01, "quiet": 1.0}
    of = rule(share=0.2, by_project=limits)

    def reasons(project: str, refused: int) -> set[str]:
        window = minute(1000, {"a": refused, "b": refused}, project=project)
        return {alert.labels["reason"] for alert in looked(window, of)}

    assert reasons("other", 200) == set()
    assert reasons("other", 201) == {"a", "b"}
    assert reasons("demo", 21) == {"b"}
    assert reasons("shop", 499) == set()
    assert reasons("shop", 501) == {"b"}
    assert reasons("quiet", 1000) == set()


def test_an_alert_is_followed_by_an_hour_of_silence_about_the_same() -> None:
    of = rule()

    def alerts(after: int, *, project: str = "demo", reason: str = "a") -> int:
        return len(looked(minute(100, {reason: 50}, project=project, start=T + after), of))

    assert alerts(0) == 1
    assert alerts(0) == 0
    assert alerts(0, reason="b") == alerts(0, project="shop") == 1
    assert alerts(59 * MINUTE) == 0
    assert alerts(-MINUTE) == 0, "nor about a minute before it"
    assert alerts(HOUR) == 1
    assert alerts(HOUR + MINUTE) == 0


def few(grain: Grain, number: int, *, start: int = T) -> MergedWindow:
    """A window all of whose records are refused."""
    cells = [Cell("records_received", "", "", number), Cell("records_rejected", "", "", number)]
    cells.append(Cell("records_rejected", "reason", "a", number))
    [window] = MergedWindows().take(0, [Window(project="demo", grain=grain, start=start, cells=cells)])
    return window


def test_a_project_with_few_records_in_a_minute_is_told_within_the_hour() -> None:
    of = rule()
    assert looked(few("minute", 19), of) == looked(few("hour", 19), of) == []
    [alert] = looked(few("hour", 20), of)
    assert "of project demo were refused as a within an hour" in alert.message
    assert looked(few("hour", 40), of) == looked(few("minute", 20, start=T + 59 * MINUTE), of) == []
    [again] = looked(few("hour", 20, start=T + HOUR), of)
    assert again.id != alert.id
    [other] = looked(few("minute", 20), rule())
    assert other.id != alert.id, "the hour's first minute is another window"


def test_an_hour_is_silent_about_its_minutes_and_days_always() -> None:
    of = rule()
    assert len(looked(few("minute", 50, start=T + 5 * MINUTE), of)) == 1
    assert looked(few("hour", 50), of) == looked(few("day", 5000, start=T - T % (24 * HOUR)), of) == []


def test_a_share_that_arrived_before_all_records_is_judged_when_those_are_there() -> None:
    assert looked(minute(10, {"a": 30})) == []


def test_what_was_raised_long_ago_is_forgotten() -> None:
    of = rule()
    for number in range(50):
        looked(minute(100, {f"r{number}": 50}, start=T + number * HOUR), of)
    assert len(of.raised) == 1
