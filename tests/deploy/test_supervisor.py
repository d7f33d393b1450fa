from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from loopin_deploy.supervisor import Child, Supervisor, cancelled_by_sigterm

WAIT = "import time; time.sleep(600)"
SLEEP = f"print('up'); {WAIT}"


def python(name: str, code: str, **options: object) -> Child:
    return Child(name, (sys.executable, "-c", code), **options)  # type: ignore[arg-type]


class Watched:
    """A supervisor's output, its pauses, and a clock that moves by the pauses only."""

    def __init__(self, log_dir: Path, *children: Child, grace_s: float = 10.0) -> None:
        self.lines: list[tuple[str, str]] = []
        self.notices: list[str] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.supervisor = Supervisor(
            children,
            log_dir,
            on_line=lambda name, line: self.lines.append((name, line)),
            on_notice=self.notices.append,
            grace_s=grace_s,
            clock=lambda: self.now,
            sleep=self.pause,
        )

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - other processes bring the condition about
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_output_reaches_the_callback_and_the_log_file(tmp_path: Path) -> None:
    code = f"import sys; print('out'); print('err', file=sys.stderr); print('ümlaut'); {WAIT}"
    watched = Watched(tmp_path, python("a", code))

    async with watched.supervisor:
        await until(lambda: len(watched.lines) == 3)

    assert watched.lines == [("a", "out"), ("a", "err"), ("a", "ümlaut")]
    assert (tmp_path / "a.log").read_text() == "out\nerr\nümlaut\n"
    assert not watched.notices


async def test_children_see_their_own_variables_and_folder(tmp_path: Path) -> None:
    code = "import os, time; print(os.environ['COLOR'], os.getcwd()); time.sleep(600)"
    watched = Watched(tmp_path, python("a", code, env={"COLOR": "red"}, cwd=tmp_path))

    async with watched.supervisor:
        await until(lambda: bool(watched.lines))

    assert watched.lines == [("a", f"red {tmp_path}")]


async def test_a_dead_child_is_started_again_with_a_line_that_says_so(tmp_path: Path) -> None:
    pids: list[int] = []
    watched = Watched(tmp_path, python("a", SLEEP, started=pids.append))

    async with watched.supervisor as supervisor:
        first = supervisor.pids["a"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(pids) == 2)
        assert supervisor.pids["a"] == pids[1] != first

    assert watched.notices == ["a was ended by SIGKILL; it is started again in 0.5 s."]
    assert watched.pauses == [0.5]
    assert all(gone(pid) for pid in pids)


async def test_the_fifth_death_stops_everything_and_shows_the_last_lines(tmp_path: Path) -> None:
    pids: list[int] = []
    dying = python("dying", "print('no disk'); raise SystemExit(3)")
    watched = Watched(tmp_path, python("healthy", SLEEP, started=pids.append), dying)

    with pytest.raises(DeployError) as raised:
        async with watched.supervisor as supervisor:
            await supervisor.wait()

    assert (raised.value.code, raised.value.field) == ("child_keeps_dying", "dying")
    assert "dying ended with exit code 3, for the 5th time within 60 s" in raised.value.reason
    assert raised.value.log_lines == ("no disk",) * 5
    assert watched.pauses == [0.5, 1.0, 2.0, 4.0]
    assert all(gone(pid) for pid in pids)


async def test_deaths_far_apart_do_not_add_up(tmp_path: Path) -> None:
    pids: list[int] = []
    watched = Watched(tmp_path, python("a", SLEEP, started=pids.append))

    async with watched.supervisor:
        for life in range(1, 7):
            watched.now += 60
            os.kill(pids[-1], signal.SIGKILL)
            await until(lambda life=life: len(pids) == life + 1)  # type: ignore[misc]

    assert watched.pauses == [0.5] * 6


async def test_children_stop_in_reverse_order_each_after_the_one_before(tmp_path: Path) -> None:
    code = """
import signal, sys, time
def leave(*_):
    time.sleep(0.1); print("done", flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, leave); print("up", flush=True); time.sleep(600)
"""
    watched = Watched(tmp_path, *(python(name, code) for name in "abc"))

    async with watched.supervisor:
        await until(lambda: len(watched.lines) == 3)

    assert watched.lines[3:] == [("c", "done"), ("b", "done"), ("a", "done")]
    assert not watched.notices


async def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(tmp_path: Path) -> None:
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""
    watched = Watched(tmp_path, python("stubborn", code), grace_s=0.3)

    async with watched.supervisor as supervisor:
        await until(lambda: bool(watched.lines))
        pid = supervisor.pids["stubborn"]

    assert watched.notices == ["stubborn did not stop within 0.3 s and was killed."]
    assert gone(pid)
    # The kernel ends a killed process when it next runs; only the supervisor's own child is waited for.
    await until(lambda: gone(int(watched.lines[0][1])))


async def test_the_next_child_waits_until_the_one_before_is_ready(tmp_path: Path) -> None:
    port = free_port()
    server = f"""
import http.server
class Health(http.server.BaseHTTPRequestHandler):
    tries = 0
    def do_GET(self):
        Health.tries += 1
        self.send_response(200 if Health.tries > 2 else 503)
        self.end_headers()
        if Health.tries > 2: print("ready", flush=True)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", {port}), Health).serve_forever()
"""
    watched = Watched(
        tmp_path, python("web", server, ready=f"http://127.0.0.1:{port}/readyz"), python("next", SLEEP)
    )

    async with watched.supervisor:
        await until(lambda: len(watched.lines) == 2)

    assert watched.lines == [("web", "ready"), ("next", "up")]


async def test_a_child_that_is_never_ready_stops_the_start(tmp_path: Path) -> None:
    pids: list[int] = []
    child = python("slow", SLEEP, ready=lambda: False, ready_timeout_s=0.5, started=pids.append)
    watched = Watched(tmp_path, child, python("never", SLEEP, started=pids.append))

    with pytest.raises(DeployError, match="slow was not ready") as raised:
        async with watched.supervisor:
            pytest.fail("entered")

    assert raised.value.code == "child_not_ready"
    assert len(pids) == 1
    assert gone(pids[0])


async def test_a_child_may_be_opening_what_it_has_for_longer_than_its_limit(tmp_path: Path) -> None:
    asked: list[int] = []

    def opening() -> str:
        asked.append(1)
        return f"{4 - len(asked) // 2} partitions are being opened."

    child = python("big", SLEEP, ready=lambda: len(asked) == 5, ready_timeout_s=0.3, opening=opening)
    watched = Watched(tmp_path, child)

    async with watched.supervisor:
        assert len(asked) == 5

    said = [f"Waiting for big: {left} partitions are being opened." for left in (4, 3, 2)]
    assert watched.notices == said, "each once"


async def test_a_child_that_is_opening_nothing_any_more_has_its_limit_from_there(tmp_path: Path) -> None:
    answers = iter(["It opens."] * 2)
    child = python(
        "stuck", SLEEP, ready=lambda: False, ready_timeout_s=0.2, opening=lambda: next(answers, None)
    )
    watched = Watched(tmp_path, child)

    with pytest.raises(DeployError, match="stuck was not ready"):
        async with watched.supervisor:
            pytest.fail("entered")

    assert watched.notices == ["Waiting for stuck: It opens."]
    assert list(answers) == []


async def test_what_a_child_that_is_ready_leaves_alone_is_said(tmp_path: Path) -> None:
    watched = Watched(tmp_path, python("a", SLEEP, remark=lambda: "Partition 1 is refused: no."))

    async with watched.supervisor:
        assert watched.notices == ["a: Partition 1 is refused: no."]


async def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    watched = Watched(tmp_path, Child("a", [str(tmp_path / "missing")]))

    with pytest.raises(DeployError, match="a could not be started") as raised:
        async with watched.supervisor as supervisor:
            await supervisor.wait()

    assert raised.value.code == "child_not_startable"


async def test_stopping_does_not_wait_for_a_pause_between_restarts(tmp_path: Path) -> None:
    notices: list[str] = []

    async def pause(seconds: float) -> None:
        await asyncio.Event().wait()

    supervisor = Supervisor(
        [python("a", "raise SystemExit(1)")],
        tmp_path,
        on_line=lambda *_: None,
        on_notice=notices.append,
        sleep=pause,
    )

    async with asyncio.timeout(60), supervisor:
        await until(lambda: bool(notices))


async def test_sigterm_cancels_the_task_that_asked_for_it() -> None:
    async def body() -> None:
        with cancelled_by_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(10)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(body())


def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    role = f"from loopin_deploy.lifeline import exit_with_parent; exit_with_parent(); {WAIT}"
    code = f"""
import asyncio, json, sys
from pathlib import Path
from loopin_deploy.supervisor import Child, Supervisor
async def main():
    children = [
        Child("role", [sys.executable, "-c", {role!r}]),
        Child("foreign", ["sleep", "600"], guarded=True),
    ]
    async with Supervisor(children, Path({str(tmp_path)!r}), on_line=print, on_notice=print) as supervisor:
        print(json.dumps(supervisor.pids), flush=True)
        await supervisor.wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout
        pids = json.loads(supervisor.stdout.readline())
        processes = [psutil.Process(pid) for pid in pids.values()]
        supervisor.kill()

    _, alive = psutil.wait_procs(processes, timeout=120)

    assert not alive


@pytest.mark.kafka
@pytest.mark.scenario
async def test_a_supervised_broker_comes_back_after_a_kill(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path / "kafka", port=0)
    command = await asyncio.to_thread(kafka.prepare)
    child = Child("kafka", command, ready=kafka.ready, cwd=kafka.data_dir, started=kafka.record, guarded=True)
    watched = Watched(tmp_path, child)

    async with watched.supervisor as supervisor:
        first = supervisor.pids["kafka"]
        assert kafka.status().pid == first
        os.kill(first, signal.SIGKILL)
        await until(lambda: gone(first) and kafka.status().ready)
        second = supervisor.pids["kafka"]

    assert kafka.status().running is False
    assert gone(second)
