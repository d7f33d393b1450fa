"""Runs the system's processes: starts them in order, restarts what dies, leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from loopin_deploy.child import Child, is_ready
from loopin_deploy.child_log import ChildLog
from loopin_deploy.errors import DeployError
from loopin_deploy.lifeline import LIFELINE_FD, Guard
from loopin_deploy.restarts import Deaths, RestartPolicy

__all__ = ["Child", "Supervisor", "cancelled_by_sigterm"]

_READY_POLL_S = 0.05
_PATIENCE_S = 5.0
"""How long a start takes before a person is told what it waits for."""
_LAST_OUTPUT_S = 1.0


@dataclass
class _Running:
    child: Child
    log: ChildLog
    task: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None
    pause: asyncio.Future[None] | None = None
    spawned: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False


class Supervisor:
    """Keeps children running while it is entered: ``async with Supervisor(...) as s: await s.wait()``.

    Entering starts the children one by one, each when the one before is ready; leaving stops them in reverse
    order: SIGTERM, and SIGKILL after ``grace_s`` seconds, for the whole process group. Each child leads a
    session of its own, so a Ctrl-C in the terminal reaches the supervisor only.

    Args:
        children: in the order of their start.
        log_dir: existing folder; each child's output is appended to ``<name>.log`` there.
        on_line: told each line of output as (child's name, line).
        on_notice: told in one sentence of each death and restart, and of what a start waits for.
        grace_s: how long a child may take to stop.
        policy: when to restart and when to give up.
        clock: seconds that only grow; dates deaths.
        sleep: waits between restarts.
    """

    def __init__(
        self,
        children: Sequence[Child],
        log_dir: Path,
        *,
        on_line: Callable[[str, str], None],
        on_notice: Callable[[str], None],
        grace_s: float = 15.0,
        policy: RestartPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._all = [_Running(child, ChildLog(log_dir / f"{child.name}.log")) for child in children]
        self._on_line = on_line
        self._on_notice = on_notice
        self._grace_s = grace_s
        self._policy = policy or RestartPolicy()
        self._clock = clock
        self._sleep = sleep
        self._lifeline: tuple[int, int] | None = None

    async def __aenter__(self) -> Supervisor:
        self._lifeline = os.pipe()
        try:
            for running in self._all:
                running.task = asyncio.create_task(self._keep(running), name=running.child.name)
                await self._until_ready(running)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process numbers of the children that run now, by name."""
        return {each.child.name: each.process.pid for each in self._all if each.process}

    async def wait(self) -> None:
        """Wait for a child to be given up; returns only by raising (or when cancelled).

        Raises:
            DeployError: ``child_keeps_dying`` with the child's last log lines, or ``child_not_startable``.
        """
        await self._watch(None)

    async def stop(self) -> None:
        """Stop all children, last started first; does nothing when they are stopped."""
        try:
            for running in reversed(self._all):
                await self._stop_one(running)
        finally:
            for running in self._all:
                _kill_group(running)
            if self._lifeline:
                for end in self._lifeline:
                    os.close(end)
                self._lifeline = None

    async def _stop_one(self, running: _Running) -> None:
        if running.task is None:
            return
        running.stopping = True
        if running.pause:
            running.pause.cancel()
        _terminate(running)
        done, _ = await asyncio.wait({running.task}, timeout=self._grace_s)
        if not done:
            name = running.child.name
            self._on_notice(f"{name} did not stop within {self._grace_s:g} s and was killed.")
            _kill_group(running)
            await asyncio.wait({running.task})
        # A child that was given up has reported so already, through wait().
        if not running.task.cancelled():
            running.task.exception()
        running.task = None

    async def _watch(self, other: asyncio.Task[None] | None, timeout: float | None = None) -> bool:
        """Wait until ``other`` ends (true) or the time is over (false); raise what a child's task raised."""
        tasks = {each.task for each in self._all if each.task}
        done, _ = await asyncio.wait(
            tasks | ({other} if other else set()), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
        return bool(done)

    async def _until_ready(self, running: _Running) -> None:
        probe = asyncio.create_task(_poll_ready(running))
        try:
            await self._until_answered(running, probe)
        finally:
            probe.cancel()
            await asyncio.wait({probe})
        remark = await asyncio.to_thread(running.child.remark)
        if remark is not None:
            self._on_notice(f"{running.child.name}: {remark}")

    async def _until_answered(self, running: _Running, probe: asyncio.Task[None]) -> None:
        """Wait for the probe, without limit as long as the child says that it is busy opening what it has."""
        child, now = running.child, asyncio.get_running_loop().time
        limit, told = now() + child.ready_timeout_s, None
        while not await self._watch(probe, min(_PATIENCE_S, max(0.0, limit - now()))):
            opening = await asyncio.to_thread(child.opening)
            if opening is not None:
                limit = now() + child.ready_timeout_s
                if opening != told:
                    self._on_notice(f"Waiting for {child.name}: {opening}")
                told = opening
            elif now() >= limit:
                raise DeployError(
                    "child_not_ready",
                    child.name,
                    f"{child.name} was not ready within {child.ready_timeout_s:.0f} s: see its log.",
                    running.log.last_lines,
                )

    async def _keep(self, running: _Running) -> None:
        deaths = Deaths(self._policy)
        while not running.stopping:
            code = await self._run_once(running)
            if running.stopping:
                return
            how = _how_it_ended(code)
            delay = deaths.add(self._clock())
            if delay is None:
                raise self._given_up(running, how)
            self._on_notice(f"{running.child.name} {how}; it is started again in {delay:g} s.")
            running.pause = asyncio.ensure_future(self._sleep(delay))
            await asyncio.wait({running.pause})
            running.pause = None

    def _given_up(self, running: _Running, how: str) -> DeployError:
        name, policy = running.child.name, self._policy
        return DeployError(
            "child_keeps_dying",
            name,
            f"{name} {how}, for the {policy.deaths}th time within {policy.window_s:.0f} s, so everything was "
            "stopped: its last log lines say why.",
            running.log.last_lines,
        )

    async def _run_once(self, running: _Running) -> int:
        """Run the child until it ends; its exit code, negative for a signal."""
        output, write_end = os.pipe()
        try:
            process = await self._spawn(running.child, write_end)
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(write_end)
        running.process = process
        running.spawned.set()
        guard = Guard(process.pid) if running.child.guarded else None
        pump = asyncio.create_task(self._pump(running, output))
        try:
            if running.child.started:
                running.child.started(process.pid)
            if running.stopping:
                _terminate(running)
            code = await process.wait()
        finally:
            _kill_group(running)
            running.process = None
            if guard:
                guard.release()
            # Something that left the process group may hold the pipe open for ever.
            await asyncio.wait({pump}, timeout=_LAST_OUTPUT_S)
            pump.cancel()
            await asyncio.wait({pump})
        return code

    async def _spawn(self, child: Child, output: int) -> asyncio.subprocess.Process:
        assert self._lifeline is not None
        lifeline = self._lifeline[0]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", LIFELINE_FD: str(lifeline), **child.env}
        try:
            return await asyncio.create_subprocess_exec(
                *child.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=child.cwd,
                pass_fds=(lifeline,),
                start_new_session=True,
            )
        except OSError as error:
            raise DeployError(
                "child_not_startable",
                child.name,
                f"{child.name} could not be started ({error.strerror}: {error.filename}): "
                "check the installation.",
            ) from error

    async def _pump(self, running: _Running, output: int) -> None:
        reader = asyncio.StreamReader()
        with os.fdopen(output, "rb") as pipe:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                while chunk := await reader.read(65536):
                    self._tell(running, running.log.feed(chunk))
            finally:
                self._tell(running, running.log.end())
                transport.close()

    def _tell(self, running: _Running, lines: list[str]) -> None:
        for line in lines:
            self._on_line(running.child.name, line)


@contextlib.contextmanager
def cancelled_by_sigterm() -> Iterator[None]:
    """Cancel the current task on SIGTERM, as ``asyncio.run`` does on Ctrl-C, so that both stop in order."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def _poll_ready(running: _Running) -> None:
    await running.spawned.wait()
    if running.child.ready is None:
        return
    # The answer lies in another process: there is no event to wait for, so ASYNC110 does not apply.
    while running.process is None or not await asyncio.to_thread(is_ready, running.child.ready):  # noqa: ASYNC110
        await asyncio.sleep(_READY_POLL_S)


def _terminate(running: _Running) -> None:
    if running.process and running.process.returncode is None:
        running.process.terminate()


def _kill_group(running: _Running) -> None:
    if running.process:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
