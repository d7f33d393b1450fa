"""Communities that are open to one place only, judged by the place alone."""

from __future__ import annotations

from .worlds import Made


def test_checks_of_the_place_are_right(made: Made) -> None:
    users = made.users()
    communities = {community.id: community for community in made.world.communities}
    homes = {city.name: city for city in made.world.atlas.cities}
    results = []
    for event in made.named("geo_access_checked"):
        properties = event["properties"]
        community = communities[properties["community_id"]]
        place, restriction = community.place, community.restriction
        assert restriction is not None
        right = {
            "country": place.country == properties["country"],
            "region": place.region == properties["region"],
            "city": place.name == properties["city"],
        }
        city = homes[properties["city"]]
        assert (city.region, city.country) == (properties["region"], properties["country"])
        assert properties["is_traveler"] == (properties["city"] != users[event["distinct_id"]]["home"])
        allowed = properties["access_result"] == "allowed"
        assert allowed == (right[restriction] or properties["bypass"])
        if right[restriction]:
            assert "reason" not in properties
            assert not properties["bypass"]
        else:
            assert not right[properties["reason"]]
        results.append((allowed, properties["bypass"], properties["is_traveler"]))
    assert len(results) > 300
    blocked = sum(not allowed for allowed, _, _ in results)
    assert 0.1 < blocked / len(results) < 0.9
    assert any(traveler for _, _, traveler in results)


def test_nobody_is_active_where_they_were_turned_away(made: Made) -> None:
    communities = {community.id: community for community in made.world.communities}
    turned_away: dict[tuple[str | None, str], bool] = {}
    for event in made.named("geo_access_checked", "community_viewed", "community_activity"):
        key = (event["session_id"], event["properties"]["community_id"])
        if event["event"] == "geo_access_checked":
            turned_away[key] = event["properties"]["access_result"] == "blocked"
        elif communities[key[1]].restriction is not None:
            assert turned_away[key] is False
