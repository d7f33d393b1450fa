from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from loopin_schemas.codec import decode_object
from loopin_streams.enrich.draft import Draft
from loopin_streams.enrich.geo import Geo
from loopin_streams.enrich.pipeline import run
from loopin_streams.enrich.steps.encode import encode_enriched
from loopin_streams.enrich.steps.private_text import remove_private_text
from tests.streams.enrich.drafts import (
    GOOGLEBOT,
    OF_GOOGLEBOT_IN_BRITAIN,
    RawRecord,
    body,
    context,
    draft_before,
)
from tests.streams.enrich.mmdb import write_mmdb


def after(event: str, properties: dict[str, object]) -> Draft:
    draft = draft_before("private_text", body(event=event, properties=properties))
    assert remove_private_text(draft, context()) is None
    return draft


def test_the_text_of_a_message_leaves_once_it_is_scored() -> None:
    draft = after("message_sent", {"text": "I love you", "community_id": "c1"})
    assert draft.enriched.sentiment_label == "positive"
    assert draft.properties == {"community_id": "c1", "$text_length": 10}
    assert encode_enriched(draft, context()) is None
    assert decode_object(draft.enriched.properties) == draft.properties
    assert b"love" not in draft.body


def test_other_events_keep_their_bytes() -> None:
    draft = after("click", {"text": "I love you"})
    assert decode_object(draft.enriched.properties) == {"text": "I love you"}


def test_a_message_without_text_keeps_its_bytes() -> None:
    draft = draft_before("private_text", body(event="message_sent", properties={"community_id": "c1"}))
    before = draft.enriched.properties
    assert remove_private_text(draft, context()) is None
    assert draft.enriched.properties is before


def test_words_under_any_name_leave_and_are_scored() -> None:
    for event in ("message_sent", "Message Sent", " message_sent", "message"):
        draft = after(event, {"room": {"Body": "I love you"}, "community_id": "c1"})
        assert draft.enriched.sentiment_label == "positive"
        assert draft.properties == {"community_id": "c1", "$text_length": 10}
    draft = after("community_activity", {"activity_type": "message", "note": "I hate you"})
    assert (draft.enriched.sentiment_label, draft.properties["$text_length"]) == ("negative", 10)
    assert after("community_activity", {"activity_type": "view", "note": "x y"}).properties["note"] == "x y"


def test_what_the_client_scored_counts_where_only_its_address_leaves() -> None:
    sent = {"$sentiment": 0.5, "$text_length": 10, "$current_url": "https://x.test/chat?text=love"}
    draft = after("message_sent", sent)
    assert draft.enriched.sentiment == 0.5
    assert draft.properties == {"$sentiment": 0.5, "$text_length": 10}


def test_without_sentiment_words_are_not_scored() -> None:
    at = context(sentiment=False)
    draft = draft_before("private_text", body(event="message_sent", properties={"body": "I love it"}), at=at)
    assert remove_private_text(draft, at) is None
    assert (draft.enriched.sentiment, draft.properties) == (None, {"$text_length": 9})


def test_what_the_pipeline_itself_says_of_the_visitor_stays(tmp_path: Path) -> None:
    record = {"country": {"iso_code": "GB", "names": {"en": "United Kingdom"}}}
    at = replace(context(), geo=Geo(write_mmdb(tmp_path / "geo.mmdb", {"81.2.69.0/24": record})))
    claimed = {"$geoip_country_name": "meet", "$device": "me", "$browser": "nine", "city": "now"}
    sent = {"$ip": "81.2.69.142", "$raw_user_agent": GOOGLEBOT, "text": "I love you", **claimed}
    (draft,) = run([Draft(RawRecord(body(event="message_sent", properties=sent)))], at)
    assert draft.properties == {"$raw_user_agent": GOOGLEBOT, "$text_length": 10, **OF_GOOGLEBOT_IN_BRITAIN}


def test_of_every_known_bot_the_name_stays() -> None:
    agents = [agent for known in CRAWLER_USER_AGENTS_DATA for agent in known["instances"]]
    sent = [{"$raw_user_agent": agent, "text": "I love you"} for agent in agents]
    bodies = [
        [
            body(event=event, properties=properties, uuid=str(UUID(int=at)))
            for at, properties in enumerate(sent, 1)
        ]
        for event in ("click", "message_sent")
    ]
    clicks, messages = (run([Draft(RawRecord(one)) for one in each], context()) for each in bodies)
    names = [click.properties.get("$bot_name") for click in clicks]
    assert [message.properties.get("$bot_name") for message in messages] == names
    assert len(names) == len(agents) > 2_000
    assert sum(" " in name for name in names if name) > 100


def test_a_bot_that_only_the_client_names_may_be_words() -> None:
    for agent in ({}, {"$raw_user_agent": GOOGLEBOT}, {"$raw_user_agent": "Mozilla/5.0"}):
        assert "$bot_name" not in after("message_sent", {"$bot_name": "I love you", **agent}).properties
