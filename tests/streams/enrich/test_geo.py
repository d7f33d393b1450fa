"""Places of addresses, by files that the tests write themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopin_streams.enrich.geo import CHECK_EVERY_S, Geo
from loopin_streams.kafka.errors import RefusedToOpen
from tests.streams.enrich.mmdb import write_mmdb

LONDON = {
    "city": {"geoname_id": 2_643_743, "names": {"de": "London", "en": "London"}},
    "country": {"iso_code": "GB", "names": {"de": "Vereinigtes Königreich", "en": "United Kingdom"}},
    "location": {
        "accuracy_radius": 10,
        "latitude": 51.5142,
        "longitude": -0.0931,
        "time_zone": "Europe/London",
    },
    "postal": {"code": "OX1"},
    "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}}, {"names": {"en": "Greater London"}}],
}
IN_LONDON = {
    "$geoip_country_code": "GB",
    "$geoip_country_name": "United Kingdom",
    "$geoip_subdivision_1_name": "England",
    "$geoip_city_name": "London",
    "$geoip_time_zone": "Europe/London",
    "$geoip_latitude": 51.5,
    "$geoip_longitude": -0.1,
    "$geoip_accuracy_radius": 10,
}
NETWORKS = {
    "81.2.69.0/24": LONDON,
    "10.0.0.0/8": LONDON,
    "2001:218::/32": {"registered_country": {"iso_code": "JP", "names": {"en": "Japan"}}},
    "8.8.8.0/24": {"country": {"iso_code": "US", "names": {"ja": "アメリカ"}}, "subdivisions": []},
    "9.9.9.0/24": "no map",
    "4.4.4.0/24": {"location": {"latitude": 91.0, "longitude": 5.0, "accuracy_radius": 1}},
    "4.4.5.0/24": {"location": {"latitude": -33.86, "longitude": 151.25, "accuracy_radius": -1.0}},
    "4.4.6.0/24": {"location": {"latitude": 12.0}},
    "1.1.1.0/24": {"country": "no map", "city": {"names": ["x"]}, "subdivisions": ["x"]},
}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_mmdb(tmp_path / "geo.mmdb", NETWORKS)


@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("81.2.69.142", IN_LONDON),
        (" 81.2.69.142 ", IN_LONDON),
        ("::ffff:81.2.69.142", IN_LONDON),
        ("2001:218:1::1", {"$geoip_country_code": "JP", "$geoip_country_name": "Japan"}),
        ("[2001:218:1::1]", {"$geoip_country_code": "JP", "$geoip_country_name": "Japan"}),
        ("8.8.8.8", {"$geoip_country_code": "US"}),
        ("9.9.9.9", {}),
        ("4.4.4.4", {}),
        ("4.4.5.4", {"$geoip_latitude": -33.9, "$geoip_longitude": 151.2}),
        ("4.4.6.4", {}),
        ("1.1.1.1", {}),
        ("5.5.5.5", {}),
        # Nobody's, though the file should know it.
        ("10.0.0.1", {}),
        ("127.0.0.1", {}),
        ("::1", {}),
        ("fe80::1%eth0", {}),
        ("not an address", {}),
        ("1" * 100_000, {}),
        ("", {}),
    ],
)
def test_country_subdivision_and_city_and_nothing_closer(
    file: Path, ip: str, place: dict[str, str | float]
) -> None:
    geo = Geo(file)
    assert geo.place_of(ip) == place
    assert geo.place_of(ip) == place, "remembered"


def test_a_file_of_version_4_knows_no_address_of_version_6(tmp_path: Path) -> None:
    geo = Geo(write_mmdb(tmp_path / "v4.mmdb", {"81.2.69.0/24": LONDON}, ip_version=4))
    assert geo.place_of("2001:218::1") == {}
    assert geo.place_of("81.2.69.1") == geo.place_of("::ffff:81.2.69.1") == IN_LONDON


def test_a_file_that_is_replaced_is_read_anew_within_a_minute(file: Path) -> None:
    clock = Clock()
    geo = Geo(file, clock)
    assert geo.place_of("5.5.5.5") == {}
    newer = write_mmdb(file.with_name("newer"), NETWORKS | {"5.5.5.0/24": LONDON})
    newer.replace(file)
    assert geo.place_of("5.5.5.5") == {}, "nobody has looked"
    clock.now += CHECK_EVERY_S
    assert geo.place_of("5.5.5.5") == IN_LONDON


def test_a_file_that_goes_bad_leaves_the_old_one_in_use(file: Path) -> None:
    clock = Clock()
    geo = Geo(file, clock)
    for bad in (b"no database", None):
        other = file.with_name("other")
        if bad is None:
            file.unlink()
        else:
            other.write_bytes(bad)
            other.replace(file)
        clock.now += CHECK_EVERY_S
        assert geo.place_of("81.2.69.1") == IN_LONDON
    write_mmdb(file, {"81.2.69.0/24": {}})
    clock.now += CHECK_EVERY_S
    assert geo.place_of("81.2.69.1") == {}


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "geo.mmdb"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        RefusedToOpen, match=r"^LOOPIN_GEOIP_DB names .*\.mmdb, .* leave the setting out\.$"
    ) as error:
        Geo(file)
    assert error.value.code == "geoip_unreadable"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RefusedToOpen):
        Geo(tmp_path)
    assert os.listdir(tmp_path) == []
