"""Platform events, seats and payments keep their own books."""

from __future__ import annotations

from collections import Counter, defaultdict

from scipy import stats

from loopin_producers.simulator.actions.checkout import EFFECT, FAILS, FAILS_IN_ANOMALY

from .worlds import Made


def test_the_truth_and_the_announcements_agree(made: Made) -> None:
    truth = {event["event_id"]: event for event in made.notes.streams["events"]}
    created = {event["properties"]["event_id"]: event for event in made.named("event_created")}
    assert len(created) > 30
    for name, event in created.items():
        known = truth[name]
        assert event["timestamp"] == known["created"]
        assert event["distinct_id"] == event["properties"]["host_id"] == known["organiser"]
        assert event["properties"]["starts_at"] == known["starts"] > known["created"]
        assert event["properties"]["capacity"] == known["capacity"]
    for event in made.named("event_cancelled"):
        known = truth[event["properties"]["event_id"]]
        assert (event["timestamp"], event["properties"]["by"]) == (known["cancelled"], known["cancelled_by"])
    for event in made.named("event_viewed", "event_joined", "event_attended"):
        assert event["properties"]["event_id"] in truth


def test_seats_are_never_oversold_and_selling_out_is_told(made: Made) -> None:
    truth = {event["event_id"]: event for event in made.notes.streams["events"]}
    joined: dict[str, list[int]] = defaultdict(list)
    pairs = Counter(
        (event["distinct_id"], event["properties"]["event_id"]) for event in made.named("event_joined")
    )
    assert set(pairs.values()) == {1}
    for event in made.named("event_joined"):
        known, at_ms = truth[event["properties"]["event_id"]], event["timestamp"]
        joined[known["event_id"]].append(at_ms)
        assert known["created"] < at_ms < (known["cancelled"] or known["starts"])
    sold_out = {event["properties"]["event_id"]: event["timestamp"] for event in made.named("event_sold_out")}
    assert sold_out
    # Of events that are older than the world some seats were taken before it began.
    young = {name for name, known in truth.items() if known["created"] >= made.parameters.start_ms}
    for name, times in joined.items():
        assert len(times) <= truth[name]["capacity"]
        if name in sold_out:
            assert max(times) < sold_out[name]
            assert len(times) == truth[name]["capacity"] or name not in young
    # The last seat may be taken in the last second, and sold out after it.
    unsaid = [name for name, times in joined.items() if len(times) == truth[name]["capacity"]]
    assert len(set(unsaid) - set(sold_out)) <= 1


def test_only_participants_attend_and_only_those_who_came_review(made: Made) -> None:
    truth = {event["event_id"]: event for event in made.notes.streams["events"]}
    state: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in made.named("event_viewed", "event_joined", "event_left", "event_attended", "event_reviewed"):
        name = event["properties"]["event_id"]
        if truth[name]["created"] < made.parameters.start_ms:
            continue  # what came first may lie before the world's start
        seen = state[event["distinct_id"], name]
        if event["event"] == "event_joined":
            assert "event_viewed" in seen
        if event["event"] == "event_attended":
            assert "event_joined" in seen
            assert "event_left" not in seen
            assert truth[name]["cancelled"] is None
            assert abs(event["timestamp"] - truth[name]["starts"]) < 1_800_000
        if event["event"] == "event_reviewed":
            assert "event_attended" in seen
        seen.add(event["event"])


def test_tickets_are_paid_for_what_they_cost(made: Made) -> None:
    truth = {event["event_id"]: event for event in made.notes.streams["events"]}
    paid: dict[tuple[str, str], float] = {}
    for event in made.named("payment_succeeded", "ticket_purchased", "payment_refunded"):
        properties = event["properties"]
        known = truth[properties["event_id"]]
        key = (event["distinct_id"], properties["event_id"])
        assert (properties["amount"], properties["currency"]) == (known["price"], known["currency"])
        if event["event"] == "payment_succeeded":
            paid[key] = properties["amount"]
        elif known["created"] >= made.parameters.start_ms:
            assert paid[key] == properties["amount"]
    joined = {(event["distinct_id"], event["properties"]["event_id"]) for event in made.named("event_joined")}
    for user, name in joined:
        if truth[name]["price"] > 0 and truth[name]["created"] >= made.parameters.start_ms:
            assert (user, name) in paid


def test_payments_fail_as_often_as_they_should(made: Made) -> None:
    [trouble] = [anomaly for anomaly in made.notes.planted if anomaly["kind"] == "payment_failures"]
    outcomes: dict[bool, Counter[str]] = defaultdict(Counter)
    for event in made.named("payment_failed", "payment_succeeded"):
        inside = trouble["start"] <= event["timestamp"] < trouble["end"]
        outcomes[inside][event["event"]] += 1
    for inside, expected in ((False, FAILS), (True, FAILS_IN_ANOMALY)):
        seen = outcomes[inside]
        test = stats.binomtest(seen["payment_failed"], seen.total(), expected)
        assert test.pvalue > 0.001, (inside, seen)
    assert outcomes[True]["payment_failed"] / outcomes[True].total() > 0.2


def test_the_treatment_sells_as_much_more_as_the_truth_says(made: Made) -> None:
    """Mantel and Haenszel's ratio of risks over personas, within its 99.9 % interval."""
    users, [drop] = made.users(), [a for a in made.notes.planted if a["kind"] == "revenue_drop"]
    exposed: dict[str, Counter[str]] = defaultdict(Counter)
    bought: dict[str, Counter[str]] = defaultdict(Counter)
    last: dict[str, str] = {}
    for event in made.named("experiment_exposed", "payment_succeeded", "payment_failed"):
        user = users[event["distinct_id"]]
        if drop["start"] <= event["timestamp"] < drop["end"]:
            continue
        if event["event"] == "experiment_exposed":
            assert event["properties"]["variant"] == user["variant"]
            exposed[user["persona"]][user["variant"]] += 1
            last[user["user"]] = event["properties"]["event_id"]
        elif last.pop(user["user"], None):
            # The decision to buy shows in the first attempt to pay.
            bought[user["persona"]][user["variant"]] += 1
    treated, control = 0.0, 0.0
    variance = 0.0
    for persona, seen in exposed.items():
        n1, n0 = seen["treatment"], seen["control"]
        a, c = bought[persona]["treatment"], bought[persona]["control"]
        treated += a * n0 / (n1 + n0)
        control += c * n1 / (n1 + n0)
        variance += (n1 * n0 * (a + c) - a * c * (n1 + n0)) / (n1 + n0) ** 2
    ratio, error = treated / control, (variance / (treated * control)) ** 0.5
    low, high = ratio * 2.718281828 ** (-3.29 * error), ratio * 2.718281828 ** (3.29 * error)
    assert low < EFFECT < high
    assert ratio > 1.05, "an effect is there to be found"
