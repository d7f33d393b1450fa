"""`loopin models`: what it shows of the topic, and what it puts on `config`."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import Producer

from loopin_deploy.commands.model_tables import model_table, overview, quality_table, version_table
from loopin_streams.learning.models import Models
from tests.committed import committed_records
from tests.deploy.columns_80 import lines
from tests.deploy.command_line import Loopin
from tests.streams.kafka.configured import Record
from tests.streams.learning.made_models import (
    FEATURES,
    forest,
    linear,
    quality,
    standing_record,
    version_record,
)


def publish(bootstrap: str, topic: str, records: Iterable[Record]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for record in records:
        producer.produce(topic, key=record.key, value=record.value)
    assert producer.flush(60) == 0


KNOWN = [
    *(version_record(version=number) for number in (1, 2, 3)),
    standing_record(version=3, qualities={"logistic": quality(), "adaptive_tree": quality(auc=0.7)}),
    version_record(version=1, target="conversion", scorer=linear(weights=[0.0] * 37 + [1.0])),
    standing_record(target="conversion", version=1, answers="heuristic", degraded=True, score_shift=None),
    standing_record(
        project="shop", version=None, answers="heuristic", champion=None, qualities={}, shifted={}
    ),
]


@pytest.fixture
def installed(loopin: Loopin, broker: str, topic_prefix: str) -> str:
    """The broker's address, once the topics and some models are there."""
    assert loopin("topics", "apply").code == 0
    publish(broker, f"{topic_prefix}models", KNOWN)
    return broker


def listed(loopin: Loopin, *options: str) -> list[dict[str, Any]]:
    ran = loopin("models", "list", "--json", *options)
    assert ran.code == 0, ran
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def shown(loopin: Loopin, *arguments: str) -> dict[str, Any]:
    ran = loopin("models", "show", "demo", "churn", "--json", *arguments)
    assert ran.code == 0, ran
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_the_list_says_what_answers_and_how_good_it_is(loopin: Loopin, installed: str) -> None:
    churn, conversion, shop = listed(loopin)
    assert (churn["project"], churn["target"]) == ("demo", "churn")
    assert (churn["answers"], churn["method"], churn["pinned"], churn["degraded"]) == (
        3,
        "logistic",
        None,
        False,
    )
    assert churn["quality"]["auc"] == 0.86
    assert (churn["score_psi"], churn["worst_feature_psi"]) == (0.07, 0.31)
    assert (conversion["answers"], conversion["method"], conversion["degraded"]) == (0, "heuristic", True)
    assert (shop["quality"], shop["worst_feature_psi"]) == (None, None)
    assert (
        "\nanswers   heuristic\nwhy       There is no version yet: a model needs 10 outcomes of either kind"
        in loopin("models", "show", "shop", "churn").out
    )
    assert listed(loopin, "--project", "shop") == [shop]
    text = loopin("models", "list").out
    for said in ("v3 logistic", "heuristic", "degraded", "0.860", "1,500"):
        assert said in text, said


def test_show_tells_of_candidates_versions_and_features(loopin: Loopin, installed: str) -> None:
    found = shown(loopin)
    assert found["candidates"]["adaptive_tree"]["auc"] == 0.7
    assert [one["version"] for one in found["versions"]] == [3, 2, 1]
    assert found["versions"][0]["examples"] == 300
    assert found["features_of"] == 3
    assert abs(found["features"][0]["share"] - 0.5 / (0.75 * (FEATURES // 2) + 0.1 * (FEATURES % 2))) < 1e-9
    assert list(found["shifted"]) == ["days_away", "joins"]
    assert shown(loopin, "--version", "2")["features_of"] == 2
    assert found["why"] is None
    text = loopin("models", "show", "demo", "churn").out
    assert "\nwhy " not in text
    for said in ("answers   v3 logistic", "adaptive_tree", "Strongest features of version 3"):
        assert said in text, said
    assert "PSI of the scores: 0.07. Shifted features (PSI from 0.25): days_away 0.31." in text


def test_promote_rollback_and_unpin_say_who_answers(
    loopin: Loopin, installed: str, topic_prefix: str
) -> None:
    ran = loopin("models", "promote", "demo", "churn", "--version", "2")
    told = "churn in project demo is answered by version 2 from now on, until `loopin models unpin`.\n"
    assert ran == (0, told, "")
    assert (shown(loopin)["answers"], shown(loopin)["pinned"]) == (2, 2)
    assert "pinned" in loopin("models", "list").out

    assert loopin("models", "rollback", "demo", "churn").code == 0
    assert shown(loopin)["answers"] == 1
    nothing = loopin("models", "rollback", "demo", "churn").refused()
    assert nothing == "There is no version before 1: give --to-heuristic to let the heuristic answer."

    ran = loopin("models", "rollback", "demo", "churn", "--to-heuristic", "--json")
    assert json.loads(ran.out) == {"project": "demo", "target": "churn", "pinned": 0}
    assert (shown(loopin)["answers"], shown(loopin)["method"]) == (0, "heuristic")
    assert "The heuristic answers" in loopin("models", "rollback", "demo", "churn").refused()

    ran = loopin("models", "unpin", "demo", "churn")
    assert ran == (0, "churn in project demo is not pinned any more.\n", "")
    assert (shown(loopin)["answers"], shown(loopin)["pinned"]) == (3, None)
    assert "No version of churn" in loopin("models", "unpin", "demo", "churn").refused()

    found = committed_records(installed, f"{topic_prefix}config")
    assert {key for key, _ in found} == {b"model_pin:demo:churn"}
    bodies = [None if value is None else json.loads(value) for _, value in found]
    assert [body and body["body"]["version"] for body in bodies] == [2, 1, 0, None]
    assert {body["by"] for body in bodies if body} == {getpass.getuser()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("promote", "demo", "churn", "--version", "9"),
            "There is no version 9 of churn in demo: there are 1, 2, 3.",
        ),
        (
            ("show", "demo", "churn", "--version", "9"),
            "There is no version 9 of churn in demo: there are 1, 2, 3.",
        ),
        (
            ("promote", "shop", "churn", "--version", "1"),
            "There is no version 1 of churn in shop: there is none yet.",
        ),
        (
            ("show", "demo", "luck"),
            "Nothing was learned of luck in project demo yet: `loopin models list` shows of what.",
        ),
        (
            ("rollback", "demo", "conversion"),
            "The heuristic answers for conversion in demo: `loopin models promote` pins a version.",
        ),
    ],
)
def test_what_is_not_there_is_said(
    loopin: Loopin, installed: str, arguments: tuple[str, ...], says: str
) -> None:
    assert loopin("models", *arguments).refused() == says


def test_a_record_that_cannot_be_used_is_named_and_the_last_good_one_answers(
    loopin: Loopin, installed: str, topic_prefix: str
) -> None:
    broken = [version_record(version=4, scorer=linear(bias=1e300)), standing_record(version=4)]
    publish(installed, f"{topic_prefix}models", broken)
    ran = loopin("models", "list", "--json")
    assert json.loads(ran.out)[0]["answers"] == 3
    assert (
        "The record demo:churn:4 (offset 7) cannot be used: a weight is no number, or too great. "
        "What was good before answers; it stays, as another release may be able to use it.\n" in ran.err
    )


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (b"demo:churn:3", b"{", "in some minutes the trainer writes it again"),
        (b"demo:churn", b"{", "in some minutes the trainer writes it again"),
        (b"demo:churn:9", b"{", "in some minutes the trainer removes it"),
        (b"nobody:churn:9", b"{", "it stays, as another release may be able to use it"),
    ],
)
def test_what_becomes_of_a_broken_record_is_said(
    loopin: Loopin, installed: str, topic_prefix: str, key: bytes, value: bytes, says: str
) -> None:
    publish(installed, f"{topic_prefix}models", [Record(key, value)])
    said = loopin("models", "list").err
    assert f"The record {key.decode()} " in said
    assert f"What was good before answers; {says}.\n" in said


def test_without_topics_it_says_what_to_do(loopin: Loopin, broker: str, topic_prefix: str) -> None:
    sentence = loopin("models", "list").refused()
    assert sentence == f"The topic {topic_prefix}models does not exist: run `loopin topics apply`."


def test_80_columns_hold_the_tables() -> None:
    models = Models()
    for record in (
        version_record(
            version=128, project="p" * 64, target="conversion", method="adaptive_forest", scorer=forest()
        ),
        standing_record(
            version=128,
            project="p" * 64,
            target="conversion",
            champion="online_logistic",
            qualities={"online_logistic": quality()},
            examples=1_234_567,
            drifts=123,
        ),
    ):
        assert models.apply(record) is None
    found = overview(models, {("p" * 64, "conversion"): 128})
    shown = lines(model_table(found))
    for said in ("conversion", "online_logistic", "1,234,567, 123", "0.860", "0.310", "pinned"):
        assert any(said in line for line in shown), said
    one = {**found[0], "delayed": True, "candidates": {"online_logistic": found[0]["quality"]}}
    one |= {"versions": [{"version": 128, "method": "adaptive_forest", "made_at": "2026-11-18T11:06:40.128Z",
                          "examples": 1_234_567, "positives": 123_456}]}  # fmt: skip
    assert any("online_logistic" in line and "0.860" in line for line in lines(quality_table(one)))
    assert any("1,234,567" in line for line in lines(version_table(one)))
