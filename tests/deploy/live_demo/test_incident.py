"""The demo's sale through the pipeline that judges alerts, without a broker: what is told of it, and when."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from loopin_deploy.live_demo.sale import Happened, Sale
from loopin_deploy.live_demo.scene import FAILING_S, METRIC, OPENING_S, Act, Play
from loopin_schemas import Event, encode
from loopin_schemas.alert import Severity
from tests.sinks.repair.stream import Stream

BEGIN_MS = 1_774_000_020_000
MINUTE_MS = 60_000


def record(happened: Happened, at_ms: int) -> tuple[bytes, bytes]:
    body = Event(project="demo", event=happened.event, distinct_id=happened.distinct_id, timestamp=at_ms)
    return f"demo:{happened.distinct_id}".encode(), encode(body)


def played(seconds: int) -> tuple[list[tuple[int, str, Severity]], list[str]]:
    """What happened to the alert at which second, and the act of each second."""
    stream, play, sale = Stream(), Play(0.0), Sale(0.0, Random(5))
    now: Severity | None = None
    told: list[tuple[int, str, Severity]] = []
    acts: list[str] = []
    for second in range(seconds):
        at_ms = BEGIN_MS + second * 1000
        act = play.at(second, now)
        acts.append(act.name)
        stream.send([record(one, at_ms) for one in sale.since(second, act)], at_ms)
        stream.quiet(at_ms + 999)
        for alert in stream.alerts:
            if alert.rule == METRIC:
                told.append((second, alert.event, alert.severity))
                now = None if alert.state == "resolved" else alert.severity
        stream.alerts.clear()
    return told, acts


def test_one_warning_then_critical_then_it_is_over() -> None:
    told, acts = played(420)
    assert [(event, severity) for _, event, severity in told] == [
        ("fired", "warning"),
        ("worse", "critical"),
        ("resolved", "critical"),
    ]
    (warned, *_), (worse, *_), (over, *_) = told
    assert list(dict.fromkeys(acts)) == ["opening", "failing", "mending", "over"]
    began, mended = acts.index("failing"), acts.index("mending")
    assert began < warned <= began + 30, "who looks has seen it soon"
    assert warned + 4 <= worse <= warned + 30, "there is time to see the warning"
    assert worse < mended < over
    assert mended + MINUTE_MS // 1000 < over <= mended + 240, "as it is said"


def test_however_late_somebody_looks_it_is_not_critical_before_it_is_a_warning() -> None:
    play, sale, counts = Play(0.0), Sale(0.0, Random(7)), Counter[str]()
    for second in range(int(OPENING_S + FAILING_S)):
        act = play.at(second, None)
        if act.name in ("opening", "failing"):
            counts.update(one.event for one in sale.since(second, act))
        failed, made = counts["payment_failed"], counts["payment_succeeded"]
        assert failed < 0.19 * max(10, failed + made)
    assert failed > 0.15 * (failed + made), "a warning for certain"


@pytest.mark.parametrize("alert", [None, "warning", "critical"])
def test_without_an_answer_it_goes_on_all_the_same(alert: Severity | None) -> None:
    play, found = Play(0.0), []
    for second in range(3000):
        act = play.at(second, alert)
        assert act.says.endswith(".")
        assert len(f"Simulated. {act.says} Ctrl-C ends everything.") <= 2 * 78, "it fits two lines"
        if act.name not in found:
            found.append(act.name)
    # Where nothing fires, there is nothing to wait for.
    acts = (
        ["opening", "failing", "over"]
        if alert is None
        else ["clearing", "opening", "failing", "mending", "over"]
    )
    assert found == acts


def test_an_alert_of_an_earlier_run_ends_first() -> None:
    play = Play(0.0)
    assert play.at(1.0, "critical").name == play.at(30.0, "critical").name == "clearing"
    assert play.at(30.0, "critical").failing < 0.05
    assert play.at(31.0, None).name == play.at(50.9, None).name == "opening"
    assert play.at(51.1, None).name == "failing"


def test_payments_come_as_often_and_fail_as_often_as_the_act_says() -> None:
    sale, act = Sale(0.0, Random(3)), Act("x", 20.0, 0.25, "")
    found = [one for tenth in range(1, 2001) for one in sale.since(tenth / 10, act)]
    counts = Counter(one.event for one in found)
    assert counts["payment_failed"] + counts["payment_succeeded"] == pytest.approx(20 * 200, abs=1)
    assert counts["payment_failed"] == pytest.approx(1000, abs=1)
    assert counts["ticket_purchased"] == counts["payment_succeeded"]
    assert len({one.distinct_id for one in found}) > 1000
    assert {one.properties["currency"] for one in found} == {"INR"}


def test_a_process_that_stood_still_makes_no_rush() -> None:
    assert len(list(Sale(0.0, Random(3)).since(3600.0, Act("x", 5.0, 1.0, "")))) == 5
