from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Producer

from loopin_schemas.codec import encode
from loopin_schemas.dead_letter import DeadLetter, fingerprint
from loopin_schemas.topics import DLQ
from tests.deploy.command_line import Loopin

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x00\u202egnp.[red]x[/] [/nothing] :boom: \x7f"
"""Sets the window's title, clears the screen, colours, overwrites, turns text around, and speaks rich."""


def letter(body: bytes = b"{}", **fields: object) -> DeadLetter:
    known: dict[str, object] = {
        **{"reason": "not_json", "step": "decode", "message": "It is no JSON.", "topic": "events.raw"},
        **{"topic_id": "id", "partition": 0, "offset": 7, "first_seen": 1_700_000_000_000},
        **{"last_seen": 1_700_000_000_000, "size": len(body), "sha256": fingerprint(body), "body": body},
    }
    return DeadLetter(**(known | fields))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Collects what aiokafka leaves: stopped while it opens a connection, it forgets to close that one.

    The command's process ends then; here the warning would meet whatever test runs next.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def dlq(broker: str, topic_prefix: str, loopin: Loopin) -> str:
    """The topic of dead letters, empty."""
    assert loopin("topics", "apply").code == 0
    return f"{topic_prefix}{DLQ.name}"


def publish(broker: str, topic: str, letters: Sequence[DeadLetter], *, transaction: bool = False) -> None:
    """To partition 1, in order."""
    settings = {"bootstrap.servers": broker, "linger.ms": 0}
    producer = Producer(settings | ({"transactional.id": topic} if transaction else {}))
    if transaction:
        producer.init_transactions(10)
        producer.begin_transaction()
    for one in letters:
        producer.produce(topic, encode(one), partition=1)
    if transaction:
        producer.commit_transaction(10)
    assert producer.flush(60) == 0


def test_an_empty_queue_is_shown_as_such(loopin: Loopin, dlq: str) -> None:
    ran = loopin("dlq", "list")

    assert ran.code == 0
    assert "0 dead letters" in ran.out


def test_a_queue_that_was_never_made_is_empty(loopin: Loopin, broker: str) -> None:
    assert "0 dead letters" in loopin("dlq", "list").out


def test_the_newest_come_first_and_filters_choose(loopin: Loopin, broker: str, dlq: str) -> None:
    letters = [
        letter(last_seen=1_700_000_000_000, project="shop", field="timestamp", reason="too_old"),
        letter(last_seen=1_700_000_300_000, project="demo"),
        letter(last_seen=1_700_000_200_000, project="shop"),
        letter(last_seen=1_700_000_100_000),
    ]
    publish(broker, dlq, letters)

    def ids(*options: str) -> list[str]:
        ran = loopin("dlq", "list", *options)
        assert ran.code == 0
        return [line.split()[1] for line in ran.out.splitlines() if "│ 1:" in line]

    assert ids() == ["1:1", "1:2", "1:3", "1:0"]
    assert ids("--project", "shop") == ["1:2", "1:0"]
    assert ids("--reason", "not_json") == ["1:1", "1:2", "1:3"]
    assert ids("--reason", "not_json", "--project", "demo") == ["1:1"]
    assert ids("--reason", "[red]") == []
    assert ids("--limit", "2") == ["1:1", "1:2"]
    assert ids("--since", "2023-11-14T22:16:40Z") == ["1:1", "1:2"]
    assert ids("--since", "1h") == []
    assert "4 dead letters" in loopin("dlq", "list", "--limit", "1").out
    assert loopin("dlq", "list", "--limit", "0").code == 2
    assert "2023-11-14 22:18:20" in loopin("dlq", "list").out


def test_nothing_in_a_record_steers_the_terminal(loopin: Loopin, broker: str, dlq: str) -> None:
    body = f"{HOSTILE}\nsecond line\t".encode() + b"\xff\xfe"
    hostile = letter(
        body, message=HOSTILE, project=HOSTILE, field=HOSTILE, reason="[bold]r[/]", key=HOSTILE.encode()
    )
    publish(broker, dlq, [hostile])

    listed = loopin("dlq", "list")
    shown = loopin("dlq", "show", "1:0")

    assert listed.code == shown.code == 0
    for ran in (listed, shown):
        assert all(c.isprintable() or c == "\n" for c in ran.out + ran.err)
    assert "[bold]r[/]" in listed.out
    assert "\\x1b]0;owned\\x07\\x1b[2J" in shown.out
    assert "\\u202egnp.[red]x[/] [/nothing] :boom: \\x7f" in shown.out
    assert "\nsecond line\\t\\xff\\xfe\n" in shown.out


def test_an_id_is_whole_on_a_narrow_terminal(
    loopin: Loopin, broker: str, dlq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    publish(broker, dlq, [letter(project="p" * 150, field="properties." + "f" * 150, reason="r" * 60)] * 12)

    ran = loopin("dlq", "list")

    assert all(f" 1:{offset} " in ran.out for offset in range(12))
    assert max(map(len, ran.out.splitlines())) <= 60


def test_reasons_are_whole_on_a_usual_terminal(
    loopin: Loopin, broker: str, dlq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    publish(broker, dlq, [letter(project="default", field="distinct_id", reason="distinct_id_forbidden")])
    [row] = [line for line in loopin("dlq", "list").out.splitlines() if "│ 1:0 " in line]
    assert " distinct_id_forbidden │ distinct_id │ default │" in row


def test_one_is_shown_whole(loopin: Loopin, broker: str, dlq: str) -> None:
    body = '{"event": "grüße", '.encode()
    one = letter(body, field="body", project="shop", key=b"shop:u1", size=999)
    publish(broker, dlq, [letter(), one], transaction=True)

    ran = loopin("dlq", "show", "1:1")

    assert ran.code == 0
    assert ran.err == ""
    head, shown = ran.out.split("\n\n")
    values = {line[:11].strip(): line[11:] for line in head.splitlines()}
    assert values == {
        **{"id": "1:1", "reason": "not_json", "field": "body", "step": "decode", "project": "shop"},
        **{"message": "It is no JSON.", "origin": "events.raw 0:7 (topic id id)", "size": "999 bytes, cut"},
        **{"first seen": "2023-11-14T22:13:20.000Z", "last seen": "2023-11-14T22:13:20.000Z"},
        **{"sha256": fingerprint(body), "key": "b'shop:u1'", "replayed": "-"},
    }
    assert shown == body.decode() + "\n"


@pytest.mark.parametrize("wanted", ["1:2", "1:3", "0:0", "9:0", f"1:{2**63}", f"{2**31}:0"])
def test_an_id_that_nothing_has_is_refused(wanted: str, loopin: Loopin, broker: str, dlq: str) -> None:
    # The offset after the last letter is the transaction's own mark.
    publish(broker, dlq, [letter(), letter()], transaction=True)

    assert loopin("dlq", "show", wanted).refused() == f"There is no dead letter {wanted} (any more)."


@pytest.mark.parametrize("wanted", ["x", "1", "1:", ":1", "1:x", "1:1:1", "²:0", "[red]1[/]:\x1b[2J"])
def test_what_is_no_id_is_refused(wanted: str, loopin: Loopin) -> None:
    sentence = loopin("dlq", "show", wanted).refused()

    assert sentence.endswith(" is no id: give partition:offset, as `loopin dlq list` does.")
    assert "\x1b" not in sentence


def test_a_record_that_is_no_dead_letter_is_left_out(loopin: Loopin, broker: str, dlq: str) -> None:
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 0})
    for body in (b"not ours", b"{}", None):
        producer.produce(dlq, body, partition=1)
    producer.flush(60)
    publish(broker, dlq, [letter()])

    listed = loopin("dlq", "list")

    assert listed.code == 0
    assert " 1:3 " in listed.out
    assert listed.err == "".join(f"1:{n} is no dead letter of ours and is left out.\n" for n in range(3))
    assert "There is no dead letter 1:1" in loopin("dlq", "show", "1:1").err


def test_without_a_broker_it_says_so(loopin: Loopin, nobody: str) -> None:
    assert f"No Kafka broker answers at {nobody}" in loopin("dlq", "list").refused()
    assert f"No Kafka broker answers at {nobody}" in loopin("dlq", "show", "0:0").refused()
