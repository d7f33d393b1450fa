"""What real user agents are taken for."""

from __future__ import annotations

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from loopin_streams.enrich.bots import bot_name
from loopin_streams.enrich.user_agents import described, device_type, user_agent_of

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 13; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"

# As their makers document them; browser, version, system, its version, device, its type.
REAL = {
    f"{WINDOWS} Chrome/120.0.0.0 Safari/537.36": ("Chrome", "120.0.0", "Windows", "10", None, "Desktop"),
    f"{WINDOWS} Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91": (
        *("Microsoft Edge", "120.0.2210", "Windows", "10", None, "Desktop"),
    ),
    f"{MAC} Version/17.1 Safari/605.1.15": ("Safari", "17.1", "Mac OS X", "10.15.7", "Mac", "Desktop"),
    f"{IPHONE} Version/17.0 Mobile/15E148 Safari/604.1": (
        *("Mobile Safari", "17.0", "iOS", "17.0", "iPhone", "Mobile"),
    ),
    f"{ANDROID.format('Pixel 7')} Mobile Safari/537.36": (
        *("Chrome", "120.0.0", "Android", "13", "Pixel 7", "Mobile"),
    ),
    f"{ANDROID.format('SM-X906C')} Safari/537.36": (
        *("Chrome", "120.0.0", "Android", "13", "Samsung SM-X906C", "Tablet"),
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0": (
        *("Firefox", "121.0", "Linux", None, None, "Desktop"),
    ),
    "": (None,) * 6,
    "x" * 40_000: (None,) * 6,
}
TYPES = {
    "Mozilla/5.0 (iPad; CPU OS 16_3 like Mac OS X) CriOS/110.0 Mobile/15E148 Safari/604.1": "Tablet",
    "Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15 Safari/605.1.15": "Console",
    "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 Version/6.0 TV Safari/537.36": "TV",
    "Mozilla/5.0 (Linux; Android 9; AFTMM) AppleWebKit/537.36 Chrome/108.0.0.0 Mobile Safari/537.36": "TV",
    "Mozilla/5.0 (Apple Watch; watchOS 9.0)": "Wearable",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) Edge/44.18363.8131": "Console",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/120.0.0.0 Safari/537.36": "Desktop",
    "curl/8.1.2": None,
}


@pytest.mark.parametrize(("user_agent", "expected"), REAL.items())
def test_browser_system_and_device(user_agent: str, expected: tuple[str | None, ...]) -> None:
    names = ("$browser", "$browser_version", "$os", "$os_version", "$device", "$device_type")
    assert described(user_agent) == {n: v for n, v in zip(names, expected, strict=True) if v is not None}
    assert bot_name(user_agent) is None


@pytest.mark.parametrize(("user_agent", "kind"), TYPES.items())
def test_kinds_of_devices(user_agent: str, kind: str | None) -> None:
    assert device_type(user_agent) == kind


def test_every_example_of_the_library_is_a_bot_and_has_a_name() -> None:
    examples = [example for crawler in CRAWLER_USER_AGENTS_DATA for example in crawler["instances"]]
    assert len(examples) > 1000
    assert [example for example in examples if len(example) < 1024 and not bot_name(example)] == []


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"),
        ("python-requests/2.31.0", "python-requests"),
        ("curl/8.1.2", "curl"),
    ],
)
def test_what_a_bot_is_called(user_agent: str, name: str) -> None:
    assert bot_name(user_agent) == name


def test_only_the_beginning_is_looked_at() -> None:
    assert bot_name("Mozilla " * 5000 + "Googlebot/2.1") is None
    assert bot_name("Googlebot/2.1 " + "x" * 40_000) == "Googlebot"


def test_where_the_user_agent_stands() -> None:
    assert user_agent_of({"$raw_user_agent": "a", "user_agent": "b"}) == "a"
    assert user_agent_of({"$raw_user_agent": "", "user_agent": "b"}) == "b"
    assert user_agent_of({"$user_agent": "c", "user_agent": 5}) == "c"
    assert user_agent_of({"user_agent": None, "browser": "x"}) is None
