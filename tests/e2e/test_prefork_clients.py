"""Servers that fork, reload and end in good order lose nothing and count nothing twice."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from tests.e2e.prefork import PROJECT, Shop, until

VISITORS = 4
ROUNDS = 6

PATIENT = ("--workers", "2", "--timeout", "180", "--graceful-timeout", "180")
"""Gunicorn kills whoever takes longer, and on a busy machine its own 30 s are soon over."""

SERVERS = {
    "gunicorn": ("-m", "gunicorn", f"{PROJECT}.wsgi:application", *PATIENT, "--bind"),
    "gunicorn, loaded before the fork, threads": (
        *("-m", "gunicorn", f"{PROJECT}.wsgi:application", "--preload", "--threads", "3"),
        *(*PATIENT, "--bind"),
    ),
    "gunicorn, asynchronous": (
        *("-m", "gunicorn", f"{PROJECT}.asgi:application", "--worker-class", "asgi"),
        *(*PATIENT, "--bind"),
    ),
    "uvicorn": (
        *("-m", "uvicorn", f"{PROJECT}.asgi:application", "--workers", "2"),
        # It kills whoever does not answer in time, and on a busy machine five seconds are soon over.
        *("--timeout-worker-healthcheck", "180", "--port"),
    ),
}


@pytest.fixture
def shop(kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> Shop:
    return Shop(tmp_path, kafka.bootstrap, topic_prefix)


class Visitor:
    """Somebody who shops, and writes down what each answered request must have given rise to.

    Each request is a session of its own, by which its event is found.
    """

    def __init__(self, url: str, name: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)
        self._name = name
        self.user = ""
        self.requests: dict[str, tuple[str, int]] = {}
        self.expected: Counter[str] = Counter()

    def post(self, path: str, event: str, status: int = 204, **form: str) -> httpx.Response:
        request = uuid4().hex
        answer = self._client.post(path, data=form, headers={"x-loopin-session-id": request})
        assert answer.status_code == status, answer.text
        self.requests[request] = (path, status)
        self.expected[event] += 1
        return answer

    def come(self) -> None:
        """Make an account."""
        answer = self.post("/sign-up/", "user_signed_up", 200, name=self._name)
        self.expected.update(("user_logged_in", "$identify"))
        self.user = str(answer.json()["id"])

    def shop(self, turn: int) -> None:
        """Sign out and in, buy, fail to buy, change the name."""
        self.post("/sign-out/", "user_logged_out")
        self.post("/sign-in/", "login_failed", 401, name=self._name, password="a guess")
        self.post("/sign-in/", "user_logged_in", name=self._name, password="a password")
        self.expected["$identify"] += 1
        self.post("/tickets/", "ticket_purchased", 201, amount=str(turn))
        self.post("/tickets/", "no event", 500, amount="1", fail="1")
        self.post("/rename/", "profile_updated", first_name=f"{self._name} {turn}")

    def leave(self) -> None:
        """Close the connections."""
        self._client.close()


@pytest.mark.parametrize("server", SERVERS)
def test_every_answered_request_is_an_event_once(shop: Shop, server: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    bind = str(port) if server == "uvicorn" else f"127.0.0.1:{port}"
    visitors = [Visitor(url, f"visitor-{number}") for number in range(VISITORS)]
    with ExitStack() as ending:
        running = ending.enter_context(shop.server(*SERVERS[server], bind))
        for visitor in visitors:
            ending.callback(visitor.leave)
        first = running.pids(url)
        each(visitors, ROUNDS)
        running.process.send_signal(signal.SIGHUP)
        if server.startswith("gunicorn"):
            # Gunicorn keeps its socket and lets requests end; uvicorn closes connections that wait.
            each(visitors, ROUNDS)
        running.pids(url, other_than=sorted(first))
        each(visitors, ROUNDS)
        for visitor in visitors:
            visitor.leave()
        assert running.end() == 0, running.log
    compare(shop, visitors)


def each(visitors: list[Visitor], rounds: int) -> None:
    """All shop at the same time."""
    faults: list[BaseException] = []

    def visit(visitor: Visitor) -> None:
        try:
            if not visitor.user:
                visitor.come()
            for turn in range(rounds):
                visitor.shop(turn + len(visitor.requests))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=visit, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def compare(shop: Shop, visitors: list[Visitor]) -> None:
    """Each visitor's own record with what was published."""
    events = shop.events()
    assert len({event["uuid"] for event in events}) == len(events)
    requests = {
        event["session_id"]: (
            event["properties"]["route"],
            event["properties"]["status"],
        )
        for event in events
        if event["event"] == "api_request"
    }
    answered = {request: seen for visitor in visitors for request, seen in visitor.requests.items()}
    assert requests == answered
    names = Counter(event["event"] for event in events)
    expected = sum((visitor.expected for visitor in visitors), Counter[str]())
    del expected["no event"]
    assert names == expected + Counter({"api_request": len(answered)})
    for visitor in visitors:
        own = Counter(event["event"] for event in events if event["distinct_id"] == visitor.user)
        assert own["ticket_purchased"] == visitor.expected["ticket_purchased"]
    assert {event["source"] for event in events} == {"middleware", "signal"}


def test_celerys_workers_lose_nothing(shop: Shop) -> None:
    """Their processes end past ``atexit``, some after 20 tasks and some with the whole worker."""
    tasks = 100
    celery = ("-m", "celery", "-A", f"{PROJECT}.celery_app", "worker")
    pool = ("--pool", "prefork", "--concurrency", "2", "--max-tasks-per-child", "20")
    # Before the worker begins: Celery's transport of files may read one that is still being written.
    shop.run(
        "-c",
        f"from {PROJECT}.tickets.tasks import remind\n"
        f"for number in range({tasks}): remind.delay(f'user-{{number}}')",
    )
    with shop.server(*celery, *pool, "--loglevel", "INFO") as worker:
        until(lambda: worker.log.count(" succeeded in ") >= tasks, "the tasks")
        assert worker.end() == 0, worker.log
    reminders = [event for event in shop.events() if event["event"] == "reminder_sent"]
    assert Counter(event["distinct_id"] for event in reminders) == Counter(
        f"user-{number}" for number in range(tasks)
    )
    assert len({event["properties"]["pid"] for event in reminders}) >= 5
