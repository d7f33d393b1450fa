"""What is planted is there: in the events, from its start to its end, and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from scipy import stats

from loopin_producers.simulator.anomalies import EVERY_DAYS, KINDS, Anomalies
from loopin_producers.simulator.dice import Chance
from loopin_producers.simulator.parameters import DAY_MS, HOUR_MS

from .worlds import Event, Made


def test_one_in_each_ten_days_and_each_kind_in_turn() -> None:
    for seed in range(20):
        anomalies = list(Anomalies(Chance("test", seed), 0).until(120 * DAY_MS))
        assert len(anomalies) == 12
        for number, anomaly in enumerate(anomalies):
            first_ms = number * EVERY_DAYS * DAY_MS
            assert first_ms + 2 * DAY_MS <= anomaly.start_ms < anomaly.end_ms <= first_ms + 9 * DAY_MS
            low, high = anomaly.kind.hours
            assert low <= (anomaly.end_ms - anomaly.start_ms) / HOUR_MS <= high
        for four in range(0, 12, 4):
            assert {anomaly.kind for anomaly in anomalies[four : four + 4]} == set(KINDS)


def test_active_from_the_start_to_before_the_end() -> None:
    anomalies = Anomalies(Chance("test", 1), 0)
    for anomaly in anomalies.until(40 * DAY_MS):
        name = anomaly.kind.name
        inside = [anomalies.active(name, at) for at in (anomaly.start_ms, anomaly.end_ms - 1)]
        outside = [anomalies.active(name, at) for at in (anomaly.start_ms - 1, anomaly.end_ms)]
        others = [anomalies.active(kind.name, anomaly.start_ms) for kind in KINDS if kind.name != name]
        assert (inside, outside, others) == ([True] * 2, [False] * 2, [False] * 3)


def split(made: Made, kind: str, wanted: Callable[[Event], bool]) -> tuple[list[Event], list[Event], float]:
    """Events inside and outside an anomaly, and the share of time that is inside."""
    [planted] = [anomaly for anomaly in made.notes.planted if anomaly["kind"] == kind]
    found = [event for event in made.events if wanted(event)]
    inside = [event for event in found if planted["start"] <= event["timestamp"] < planted["end"]]
    share = (planted["end"] - planted["start"]) / (made.end_ms - made.parameters.start_ms)
    return inside, [event for event in found if event not in inside], share


def test_errors_rise(made: Made) -> None:
    inside, outside, _ = split(made, "error_rate", lambda event: event["event"] == "api_request")
    for seen, expected in ((inside, 0.15), (outside, 0.004)):
        failed = sum(event["properties"]["status"] >= 500 for event in seen)
        assert stats.binomtest(failed, len(seen), expected).pvalue > 0.001
    logged = sum(1 for _ in made.named("error_logged"))
    assert logged == sum(event["properties"]["status"] >= 500 for event in (*inside, *outside))


def test_visitors_surge(made: Made) -> None:
    known = {user for truth in made.users().values() for user in (truth["user"], *truth["anonymous_ids"])}
    known |= {bot["bot"] for bot in made.notes.streams["bots"]}
    firsts: dict[str, Event] = {}
    for event in made.named("$pageview"):
        if event["distinct_id"] not in known:
            firsts.setdefault(event["distinct_id"], event)
    uuids = {event["uuid"] for event in firsts.values()}
    inside, outside, share = split(made, "traffic_surge", lambda event: event["uuid"] in uuids)
    usual = len(outside) / (1 - share) * share
    assert 2.5 < len(inside) / usual < 12  # nights and days differ by more than noise


def test_revenue_drops(made: Made) -> None:
    names = {"experiment_exposed", "ticket_purchased"}
    inside, outside, _ = split(made, "revenue_drop", lambda event: event["event"] in names)

    def conversion(events: list[Event]) -> float:
        seen = Counter(event["event"] for event in events)
        return seen["ticket_purchased"] / seen["experiment_exposed"]

    assert len(inside) >= 10
    assert conversion(inside) < 0.6 * conversion(outside)
