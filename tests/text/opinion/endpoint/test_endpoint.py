"""A language model over real HTTP: what is sent, what comes back, and what happens when nothing does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopin_text.opinion.endpoint import Endpoint, EndpointOptions, Judgement, NoAnswer
from loopin_text.opinion.endpoint.breaker import FAILURES, FIRST_PAUSE_S
from loopin_text.opinion.endpoint.endpoint import AT_ONCE, CACHED, REFUSALS, TRIES, _remember
from loopin_text.opinion.endpoint.reply import estimated_tokens
from tests.sinks.notify.mail_server import write_certificate

from .chat_server import GOOD, ChatServer, chat_server, completion

KEY = "sk-secret-of-the-test"
LONG_S = 60.0
SHORT_S = 0.2


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as state:
        yield state


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoints() -> Iterator[list[Endpoint]]:
    made: list[Endpoint] = []
    yield made
    for endpoint in made:
        endpoint.close()


def make(
    server: ChatServer,
    clock: Clock,
    endpoints: list[Endpoint],
    *,
    timeout_s: float = LONG_S,
    calls: int = 1_000,
    tokens: int = 10**9,
) -> Endpoint:
    options = EndpointOptions(server.url, "some-model", KEY, timeout_s, calls, tokens)
    endpoints.append(Endpoint(options, now=clock, clock=clock))
    return endpoints[-1]


def refused(endpoint: Endpoint, text: str) -> str:
    with pytest.raises(NoAnswer) as caught:
        endpoint.judge(text)
    assert KEY not in str(caught.value)
    assert text not in str(caught.value)
    return caught.value.reason


def test_a_text_is_sent_as_chat_completions_ask(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    said = make(server, clock, endpoints).judge("What a night!")
    assert said == Judgement("positive", 8, ("excitement", "satisfaction"))
    assert server.paths == ["/v1/chat/completions"]
    assert server.tokens == [f"Bearer {KEY}"]
    (sent,) = server.requests
    assert sent["model"] == "some-model"
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["messages"][1]["content"] == "What a night!"


def test_personal_data_and_late_words_are_not_sent(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    make(server, clock, endpoints).judge("Write to jane@example.com! " + "word " * 300_000 + "\ud800")
    content = server.requests[0]["messages"][1]["content"]
    assert "jane" not in content
    assert content.startswith("Write to [email]!")
    assert len(content) <= 5_000


def test_without_a_key_none_is_sent(server: ChatServer, clock: Clock) -> None:
    endpoint = Endpoint(EndpointOptions(server.url, "local"), now=clock, clock=clock)
    endpoint.judge("good")
    endpoint.close()
    assert server.tokens == [None]


def test_a_key_that_no_header_can_hold_is_not_shown(server: ChatServer, clock: Clock) -> None:
    endpoint = Endpoint(EndpointOptions(server.url, "m", f"{KEY}\n{KEY}"), now=clock, clock=clock)
    assert refused(endpoint, "good") == "failed"
    endpoint.close()
    assert server.requests == []


def test_blanks_around_a_key_are_not_sent(server: ChatServer, clock: Clock) -> None:
    endpoint = Endpoint(EndpointOptions(server.url, "m", f" {KEY}\n"), now=clock, clock=clock)
    endpoint.judge("good")
    endpoint.close()
    assert server.tokens == [f"Bearer {KEY}"]


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(EndpointOptions("http://x", "m", KEY))


def test_judgements_are_remembered(server: ChatServer, clock: Clock, endpoints: list[Endpoint]) -> None:
    endpoint = make(server, clock, endpoints)
    assert endpoint.judge("good") == endpoint.judge("good")
    assert len(server.requests) == 1
    for number in range(CACHED):
        _remember(endpoint._known, number.to_bytes(16, "big"), Judgement("neutral", 0, ()))
    assert len(endpoint._known) == CACHED
    endpoint.judge("good")
    assert len(server.requests) == 2


def test_it_is_a_method_like_the_others(server: ChatServer, clock: Clock, endpoints: list[Endpoint]) -> None:
    endpoint = make(server, clock, endpoints)
    said = endpoint.score("good")
    assert said is not None
    assert (said.score, said.label) == (0.8, "positive")
    server.status = 500
    assert endpoint.score("bad") is None


@pytest.mark.parametrize(
    ("content", "judgement"),
    [
        ('```json\n{"sentiment": "negative", "intensity": 6}\n```', Judgement("negative", 6, ())),
        ('Sure! {"sentiment": "neutral", "intensity": 0.4, "emotions": []}', Judgement("neutral", 0, ())),
        (
            json.dumps(
                {"sentiment": "positive", "intensity": 10, "emotions": [" Joy", "joy", "", *"abcdef"]}
            ),
            Judgement("positive", 10, ("joy", "a", "b")),
        ),
        (
            json.dumps(
                {
                    "sentiment": "positive",
                    "intensity": 1,
                    "emotions": ["x" * 41, "<b>joy</b>", "=cmd|' /C'!A0", "self-pity", "Mild Surprise"],
                    "why": 1,
                }
            ),
            Judgement("positive", 1, ("self-pity", "mild surprise")),
        ),
    ],
)
def test_answers_are_read_as_models_write_them(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint], content: str, judgement: Judgement
) -> None:
    server.body = completion(content)
    assert make(server, clock, endpoints).judge("good") == judgement


RUBBISH = [
    b"",
    b"<html>busy</html>",
    b"{}",
    b'{"choices": []}',
    b'{"choices": [{"message": {"content": null}}]}',
    b"\xff\xfe",
    b"[" * 50_000,
    completion("I cannot judge that."),
    completion("} {"),
    completion('{"sentiment": "great", "intensity": 8}'),
    completion('{"sentiment": "positive", "intensity": 11}'),
    completion('{"sentiment": "positive", "intensity": "high"}'),
    completion('{"sentiment": "positive", "intensity": 1e999}'),
    completion('{"sentiment": "positive"}'),
    completion("{" * 10_000),
    b" " * 100_000,
]


@pytest.mark.parametrize("body", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_is_no_judgement(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint], body: bytes
) -> None:
    server.body = body
    assert refused(make(server, clock, endpoints), "good") == "failed"


@pytest.mark.parametrize("status", [201, 302, 400, 401, 404, 429, 500, 503])
def test_another_status_is_no_judgement(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint], status: int
) -> None:
    server.status, server.headers = status, {"Location": f"{server.url}/elsewhere"}
    assert refused(make(server, clock, endpoints), "good") == "failed"
    assert server.paths == ["/v1/chat/completions"], "the key goes to no other address"


def test_one_that_hangs_is_given_up(server: ChatServer, clock: Clock, endpoints: list[Endpoint]) -> None:
    server.hangs = True
    assert refused(make(server, clock, endpoints, timeout_s=SHORT_S), "good") == "failed"


def test_one_that_drips_is_given_up(server: ChatServer, clock: Clock, endpoints: list[Endpoint]) -> None:
    server.drips = True
    assert refused(make(server, clock, endpoints, timeout_s=SHORT_S), "good") == "failed"


def test_one_whose_headers_drip_is_given_up(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    server.drips_headers = True
    assert refused(make(server, clock, endpoints, timeout_s=SHORT_S), "good") == "failed"


def test_over_tls_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock, endpoints: list[Endpoint]
) -> None:
    certificate = tmp_path / "certificate.pem"
    write_certificate(certificate)
    with chat_server(certificate) as server:
        assert refused(make(server, clock, endpoints), "good") == "failed", "nobody vouches for it"
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert make(server, clock, endpoints).judge("good").intensity == 8
        server.drips_headers = True
        assert refused(make(server, clock, endpoints, timeout_s=SHORT_S), "good") == "failed"


def test_nobody_listening_is_no_judgement(clock: Clock) -> None:
    with chat_server() as gone:
        url = gone.url
    endpoint = Endpoint(EndpointOptions(url, "m", KEY), now=clock, clock=clock)
    assert refused(endpoint, "good") == "failed"
    endpoint.close()


def test_failures_open_the_circuit_and_one_success_closes_it(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    endpoint = make(server, clock, endpoints)
    server.status = 503
    assert [refused(endpoint, f"text {number}") for number in range(FAILURES + 2)] == [
        *(["failed"] * FAILURES),
        "circuit",
        "circuit",
    ]
    assert len(server.requests) == FAILURES
    assert endpoint.is_open
    clock.now += FIRST_PAUSE_S
    assert [refused(endpoint, "text"), refused(endpoint, "text")] == ["failed", "circuit"]
    clock.now += FIRST_PAUSE_S
    assert refused(endpoint, "text") == "circuit", "each try that fails doubles the pause"
    clock.now += FIRST_PAUSE_S
    server.status = 200
    endpoint.judge("text")
    endpoint.judge("another")
    assert not endpoint.is_open
    assert len(server.requests) == FAILURES + 3


def test_a_text_that_is_never_judged_is_given_up_and_no_other(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    endpoint = make(server, clock, endpoints)
    for number in range(TRIES):
        if number % 2:
            server.status, server.body = 200, completion("I do not judge that.")
        else:
            server.status = 400
        assert refused(endpoint, "vile") == "failed"
        server.status, server.body = 200, GOOD
        endpoint.judge(f"closes the circuit {number}")
    asked = len(server.requests)
    assert refused(endpoint, "vile") == "given_up"
    assert len(server.requests) == asked


def test_texts_that_are_refused_take_the_endpoint_from_nobody_else(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    endpoint = make(server, clock, endpoints)
    for number in range(3 * FAILURES):
        server.status = 400
        assert refused(endpoint, f"vile {number}") == "failed"
        if number % FAILURES == FAILURES - 1:
            server.status = 200
            endpoint.judge(f"good {number}")
    # But one that takes nothing at all is set up wrongly.
    server.status = 422
    said = [refused(endpoint, f"text {number}") for number in range(REFUSALS + FAILURES)]
    assert said == ["failed"] * (REFUSALS + FAILURES - 1) + ["circuit"]


def test_what_fails_whatever_the_text_gives_none_up(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    endpoint = make(server, clock, endpoints)
    for number in range(TRIES + 1):
        server.status = (401, 429, 500, 503)[number % 4]
        assert refused(endpoint, "good") == "failed"
        server.status = 200
        endpoint.judge(f"closes the circuit {number}")
    assert endpoint.judge("good") == Judgement("positive", 8, ("excitement", "satisfaction"))


def test_a_success_in_between_forgives_failures(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    endpoint = make(server, clock, endpoints)
    for number in range(3 * FAILURES):
        server.status = 200 if number % FAILURES == FAILURES - 1 else 500
        endpoint.score(f"text {number}")
    assert len(server.requests) == 3 * FAILURES


def test_those_who_come_while_it_hangs_are_not_held_up(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    server.hangs = True
    endpoint = make(server, clock, endpoints)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(endpoint.judge, f"text {number}") for number in range(AT_ONCE)]
        for _ in waiting:
            assert server.arrived.acquire(timeout=LONG_S)
        assert refused(endpoint, "one more") == "busy"
        server.released.set()
        assert [each.result() for each in waiting] == [
            Judgement("positive", 8, ("excitement", "satisfaction"))
        ] * AT_ONCE
    server.hangs = False
    endpoint.judge("one more")


def test_calls_of_a_day_are_bounded(server: ChatServer, clock: Clock, endpoints: list[Endpoint]) -> None:
    endpoint = make(server, clock, endpoints, calls=2)
    endpoint.judge("one")
    endpoint.judge("two")
    assert refused(endpoint, "three") == "budget"
    endpoint.judge("one")  # remembered, so it costs nothing
    clock.now += 86_400
    endpoint.judge("three")
    assert len(server.requests) == 3


def test_tokens_of_a_day_are_bounded_by_those_that_were_used(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    each = estimated_tokens("text 0")
    endpoint = make(server, clock, endpoints, tokens=3 * each)
    server.body = completion('{"sentiment": "neutral", "intensity": 0}', tokens=each // 2)
    for number in range(5):
        endpoint.judge(f"text {number}")
    assert refused(endpoint, "text 5") == "budget"


def test_no_budget_asks_nobody_and_uses_up_no_try(
    server: ChatServer, clock: Clock, endpoints: list[Endpoint]
) -> None:
    endpoint = make(server, clock, endpoints, calls=FAILURES)
    server.status = 500
    for number in range(FAILURES):
        refused(endpoint, f"text {number}")
    clock.now += FIRST_PAUSE_S
    assert [refused(endpoint, "text"), refused(endpoint, "text")] == ["budget", "budget"]
    clock.now += 86_400
    server.status = 200
    endpoint.judge("text")
