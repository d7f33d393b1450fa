"""Clusters are called what the documents call such people, or after what they do more than others."""

from __future__ import annotations

from collections import Counter

from loopin_sinks.personas.naming import PERSONAS, fit_of, label, named
from loopin_sinks.personas.traits import TRAITS, Kind


def traits(done: float = 1.0, **of: float) -> Kind:
    """Of users of whom so many ever did each thing."""
    return Kind({**dict.fromkeys(TRAITS, 0.0), **of}, dict.fromkeys(TRAITS, done))


TALKS = traits(social=1.5, sharing=0.6)
GOES = traits(attending=0.8, joining=0.6, events=0.5)
LOOKS = traits(content=0.9, joining=-0.6, attending=-0.5)
HOSTS = traits(hosting=5.0, presence=0.6, social=1.0)


def test_the_documents_personas_are_found_in_any_order() -> None:
    assert named([TALKS, GOES, LOOKS, HOSTS], {}) == [
        "social_explorer",
        "event_regular",
        "passive_observer",
        "power_user",
    ]
    assert named([HOSTS, LOOKS, GOES, TALKS], {}) == [
        "power_user",
        "passive_observer",
        "event_regular",
        "social_explorer",
    ]


def test_what_is_like_none_of_them_is_named_by_its_strongest_trait() -> None:
    seeks = traits(search=1.4, events=1.0, content=-1.0)
    assert named([TALKS, GOES, LOOKS, HOSTS, seeks], {})[4] == "searcher"
    # Two alike are told apart by the next trait, and where there is none by a number.
    both = named([TALKS, GOES, LOOKS, HOSTS, seeks, seeks, seeks], {})
    assert both[4:] == ["searcher", "searcher_event_browser", "searcher_2"]
    assert named([traits(), traits(presence=-0.5)], {}) == ["typical_user", "occasional_visitor"]


def test_a_name_that_a_cluster_has_is_kept_and_given_to_nobody_else() -> None:
    names = named([LOOKS, TALKS, GOES], {0: "social_explorer"})
    assert names[0] == "social_explorer"
    assert Counter(names).most_common(1)[0][1] == 1
    assert names[2] == "event_regular"


def test_nobody_is_named_after_what_most_of_them_never_did() -> None:
    """However far above others' the little is that they did."""
    for few in (TALKS, GOES, LOOKS, HOSTS, traits(buying=2.0)):
        assert named([Kind(few.traits, traits(0.5).doing)], {}) == ["typical_user"]
    # Looking at events, and being there often, is no attending and no hosting.
    looks = Kind(traits(events=2.0).traits, {**traits(0.0).doing, "events": 1.0})
    stays = Kind(traits(presence=2.0).traits, {**traits(0.0).doing, "presence": 1.0})
    assert named([looks, stays], {}) == ["event_browser", "frequent_visitor"]


def test_a_name_is_kept_while_a_quarter_do_what_it_says() -> None:
    for name, of in (("power_user", HOSTS), ("host_socialiser", HOSTS), ("reader_2", LOOKS)):
        assert named([Kind(of.traits, traits(0.25).doing)], {0: name}) == [name]
        assert named([Kind(of.traits, traits(0.24).doing)], {0: name}) == ["typical_user"]


def test_a_fit_is_the_weighted_mean_of_its_traits() -> None:
    assert fit_of(TALKS.traits, "social_explorer") == (1.5 + 0.6) / 2
    assert fit_of(GOES.traits, "event_regular") == (2 * 0.8 + 0.6 + 0.5) / 4
    assert fit_of(LOOKS.traits, "passive_observer") == (0.9 + 0.6 + 0.5) / 3
    assert {name for weights in PERSONAS.values() for name in weights} <= set(TRAITS)


def test_people_read_them_in_words() -> None:
    assert label("passive_observer") == "Passive Observer"
