"""Places in events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loopin_streams.enrich.draft import Draft
from loopin_streams.enrich.geo import Geo
from loopin_streams.enrich.pipeline import run
from loopin_streams.enrich.steps.geo import locate
from tests.streams.enrich.drafts import RawRecord, body, context, draft_before
from tests.streams.enrich.mmdb import write_mmdb

RECORD = {
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "city": {"names": {"en": "London"}},
}


def test_without_a_file_nothing_is_known() -> None:
    draft = draft_before("geo", body(properties={"$ip": "81.2.69.142"}))
    locate([draft], context())
    assert not draft.changed


def test_what_the_client_said_stays(tmp_path: Path) -> None:
    at = replace(context(), geo=Geo(write_mmdb(tmp_path / "geo.mmdb", {"81.2.69.0/24": RECORD})))
    given = {"$ip": "81.2.69.142", "$geoip_city_name": "Paris"}
    located = draft_before("geo", body(uuid=None, properties=given))
    nowhere = draft_before("geo", body(uuid=None, properties={"$ip": "5.5.5.5"}), offset=1)
    none = draft_before("geo", body(uuid=None), offset=2)
    locate([located, nowhere, none], at)
    assert located.properties == given | {
        "$geoip_country_code": "GB",
        "$geoip_country_name": "United Kingdom",
    }
    assert [draft.changed for draft in (located, nowhere, none)] == [True, False, False]


@pytest.mark.parametrize(
    ("said", "located"),
    # What the first line of PostHog's own GeoIP transformation takes for true.
    [(True, False), ("true", False), (1, False), (False, True), (None, True), ("", True), (0, True)],
)
def test_an_event_that_asks_for_no_place_gets_none(tmp_path: Path, said: object, located: bool) -> None:
    at = replace(context(), geo=Geo(write_mmdb(tmp_path / "geo.mmdb", {"81.2.69.0/24": RECORD})))
    sent = {"$lib": "posthog-python", "$ip": "81.2.69.142", "$geoip_disable": said}
    (draft,) = run([Draft(RawRecord(body(properties=sent)))], at)
    assert ("$geoip_country_code" in draft.properties, b"United Kingdom" in draft.body) == (located, located)
    assert "$ip" not in draft.properties, "it is no place, but an address that leaves all the same"
