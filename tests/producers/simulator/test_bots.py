from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise

from .worlds import Made


def test_bots_come_evenly_by_day_and_night_and_some_say_what_they_are(made: Made) -> None:
    bots = {bot["bot"]: bot for bot in made.notes.streams["bots"]}
    assert len(bots) == 2 + made.parameters.users // 250
    visits: dict[str, list[int]] = defaultdict(list)
    for event in made.named("$pageview"):
        if bot := bots.get(event["distinct_id"]):
            assert event["properties"]["$raw_user_agent"] == bot["user_agent"]
            visits[bot["bot"]].append(event["timestamp"])
    for name, bot in bots.items():
        gaps = [later - earlier for earlier, later in pairwise(visits[name])]
        even = [gap for gap in gaps if 0.95 < gap / bot["interval_ms"] < 1.05]
        assert len(even) > 0.9 * len(gaps) > 500
        says_so = re.search(r"bot/\d", bot["user_agent"], re.IGNORECASE) is not None
        assert says_so == (bot["kind"] == "crawler")
    assert {bot["kind"] for bot in bots.values()} == {"crawler", "scraper"}
