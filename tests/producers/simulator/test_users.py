"""What users do, against the truth that is told of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from loopin_producers.simulator.parameters import DAY_MS

from .worlds import Made

SYSTEM = {"api_request", "error_logged"}


def test_nobody_does_anything_after_they_left(made: Made) -> None:
    users = made.users()
    gone = [user for user in users.values() if user["churn"] < made.end_ms]
    assert len(gone) > 30
    for event in made.events:
        if user := users.get(event["distinct_id"]):
            assert event["timestamp"] < user["churn"]
    deleted = {event["distinct_id"]: event["timestamp"] for event in made.named("account_deleted")}
    assert deleted == {user["user"]: user["churn"] - 1 for user in gone if user["deletes_account"]}


def test_users_sign_up_once_on_their_day_and_do_nothing_before(made: Made) -> None:
    users = made.users()
    signups = {event["distinct_id"]: event for event in made.named("user_signed_up")}
    assert len(signups) == sum(1 for _ in made.named("user_signed_up"))
    expected = {user["user"] for user in users.values() if 1 <= user["signup_day"] < made.parameters.days - 1}
    assert expected <= set(signups)
    assert all(users[name]["signup_day"] >= 0 for name in signups)
    first: dict[str, int] = {}
    for event in made.events:
        first.setdefault(event["distinct_id"], event["timestamp"])
    for name, event in signups.items():
        assert first[name] == event["timestamp"]
        assert abs(local_day(made, event, users[name]["zone"]) - users[name]["signup_day"]) <= 1
        assert event["properties"]["channel"]


def test_anonymous_ids_belong_to_the_user_who_is_identified(made: Made) -> None:
    users = made.users()
    seen = {event["distinct_id"] for event in made.events}
    identified = list(made.named("$identify"))
    assert len(identified) > 100
    for event in identified:
        anonymous = event["properties"]["$anon_distinct_id"]
        assert anonymous in users[event["distinct_id"]]["anonymous_ids"]
        assert anonymous in seen, "it was seen before"
    owned = [name for user in users.values() for name in user["anonymous_ids"]]
    assert len(owned) == len(set(owned))


def test_some_users_look_around_before_they_sign_up(made: Made) -> None:
    signups = {event["distinct_id"]: event["timestamp"] for event in made.named("user_signed_up")}
    owner = {name: user["user"] for user in made.users().values() for name in user["anonymous_ids"]}
    early = {
        owner[event["distinct_id"]]
        for event in made.named("$pageview")
        if event["distinct_id"] in owner
        and event["timestamp"] < signups.get(owner[event["distinct_id"]], 0) - DAY_MS // 4
    }
    assert 0.3 < len(early) / len(signups) < 0.95


def test_decliners_fade_and_others_leave_without_a_sign(made: Made) -> None:
    """Visits of the last ten days against those of days 30 to 40 before."""
    before, after = Counter[bool](), Counter[bool]()
    leavers = {
        name: user
        for name, user in made.users().items()
        if user["signup_day"] < -1 and 40 <= user["churn_day"] < made.parameters.days + 30
    }
    sessions: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for event in made.events:
        if event["distinct_id"] in leavers and "session_id" in event:
            day = (event["timestamp"] - made.parameters.start_ms) // DAY_MS
            sessions[event["distinct_id"]].add((event["session_id"], day))
    for name, user in leavers.items():
        fades = user["decline_days"] > 0
        last = min(user["churn_day"], made.parameters.days)
        after[fades] += sum(1 for _, day in sessions[name] if last - 10 <= day < last)
        before[fades] += sum(1 for _, day in sessions[name] if last - 40 <= day < last - 30)
    assert after[True] / before[True] < 0.7 < after[False] / before[False]


def test_nights_are_quiet_where_the_user_is(made: Made) -> None:
    users = made.users()
    zones: dict[str, Counter[bool]] = defaultdict(Counter)
    for event in made.named("user_logged_in"):
        user = users[event["distinct_id"]]
        if user["persona"] == "browser":
            hour = datetime.fromtimestamp(event["timestamp"] / 1000, ZoneInfo(user["zone"])).hour
            zones[user["zone"]][hour in (1, 2, 3, 4)] += 1
    assert len(zones) >= 3
    for zone, quiet in zones.items():
        # Those who travel are awake by another clock.
        assert quiet[True] < 0.15 * quiet.total(), zone


def test_weekends_differ_by_persona(made: Made) -> None:
    """Socialites come at weekends by half more than on working days, browsers by a fifth less."""
    users = made.users()
    visits: dict[str, Counter[bool]] = defaultdict(Counter)
    for session in {(event["distinct_id"], event.get("session_id")): event for event in made.events}.values():
        if (user := users.get(session["distinct_id"])) and "session_id" in session:
            at = datetime.fromtimestamp(session["timestamp"] / 1000, ZoneInfo(user["zone"]))
            visits[user["persona"]][at.weekday() >= 5] += 1
    ratio = {name: seen[True] / 2 / (seen[False] / 5) for name, seen in visits.items()}
    assert ratio["socialite"] > 1.15 > 1.0 > ratio["browser"]


def test_holidays_are_quiet(made: Made) -> None:
    """No session of a user lies in the truth's holidays; those of the first users are looked up."""
    world, checked = made.world, 0
    by_user: dict[str, list[int]] = defaultdict(list)
    for event in made.named(
        "$pageview", "content_viewed", "event_viewed", "event_attended", "event_reviewed"
    ):
        by_user[event["distinct_id"]].append(event["timestamp"])
    for index in range(made.parameters.users):
        user = world.population.user(index)
        holiday = world.life.plans(user, 1).holiday
        appointed = {user.signup_day, user.verified_day}
        if holiday is None or any(day is not None and holiday[0] <= day <= holiday[1] for day in appointed):
            continue
        # A day of room on either side: local days are not UTC's.
        first_ms = made.parameters.start_ms + (holiday[0] + 1) * DAY_MS
        last_ms = made.parameters.start_ms + (holiday[1] - 1) * DAY_MS
        assert not [at for at in by_user[user.id] if first_ms <= at < last_ms]
        checked += 1
    assert checked > 40


def test_friends_are_mutual_and_get_the_messages(made: Made) -> None:
    users = made.users()
    for name, user in users.items():
        assert name not in user["friends"]
        for friend in user["friends"]:
            if friend in users:
                assert name in users[friend]["friends"]
    for event in made.named("message_sent"):
        assert event["properties"]["recipient_id"] in users[event["distinct_id"]]["friends"]
    for event in made.named("user_followed", "user_unfollowed"):
        assert event["properties"]["followed_id"] in users[event["distinct_id"]]["friends"]


def test_travellers_are_seen_where_they_travel_to(made: Made) -> None:
    users = made.users()
    trips: dict[str, list[dict[str, int]]] = defaultdict(list)
    for trip in made.notes.streams["travel"]:
        trips[trip["user"]].append(trip)
    abroad = 0
    for event in made.named("$pageview"):
        if (user := users.get(event["distinct_id"])) is None:
            continue
        city, day = event["properties"]["city"], (event["timestamp"] - made.parameters.start_ms) / DAY_MS
        if city != user["home"]:
            near = [
                trip for trip in trips[user["user"]] if trip["first_day"] - 1 <= day <= trip["last_day"] + 2
            ]
            assert city in {trip["to"] for trip in near}
            abroad += 1
    assert abroad > 200


def local_day(made: Made, event: dict[str, int], zone: str) -> int:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).astimezone(ZoneInfo(zone))
    return (at.date() - made.parameters.start) // timedelta(days=1)
