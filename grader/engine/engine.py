"""Work for many processes: kept busy, and survived when one of them dies.

The engine knows nothing of grading. It hands tasks to a `concurrent.futures.Executor`, a few at a
time, and gives back what became of each. An executor that breaks is made anew. Which of the tasks
under way broke it nobody can tell: these suspects are tried again one at a time, so that only the
guilty one can fail, after three more attempts.
"""

from __future__ import annotations

import collections
import concurrent.futures as cf
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

ATTEMPTS = 3
"""How often a task is tried where nothing else can be to blame."""

SECOND = 1.0
"""How long the engine waits for its workers before it says that it still does."""

SOON = 0.1
"""Seconds after which it asks again for tasks where there were none."""

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Task, Result]):
    """A task and what came of it."""

    task: Task
    result: Result


@dataclass(frozen=True, slots=True)
class Lost(Generic[Task]):
    """A task whose worker died, or whose work failed, every time; and the last reason."""

    task: Task
    reason: str


@dataclass(slots=True)
class _Attempt(Generic[Task]):
    task: Task
    failures: int = 0
    alone: bool = False


class Engine:
    """Runs a function over tasks on an executor that may break.

    make_executor: a new executor; called again when one broke.
    workers: how many tasks run at once; as many again wait, so that no worker ever does.
    deaths: exceptions that mean that a task's worker died while the executor lives on.
    fatal: exceptions of the function after which no other task can succeed; they end the run.
    trouble: why nothing may come back at this moment, or "". It raises where nothing ever will.
    """

    def __init__(
        self,
        make_executor: Callable[[], cf.Executor],
        workers: int,
        *,
        deaths: tuple[type[BaseException], ...] = (),
        fatal: tuple[type[BaseException], ...] = (),
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        self.workers = workers
        self.trouble = trouble
        self._make = make_executor
        self._deaths = deaths
        self._broken: tuple[type[BaseException], ...] = (cf.BrokenExecutor, *deaths)
        self._fatal = fatal
        self._executor: cf.Executor | None = None

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task | None],
        idle: Callable[[], None] = lambda: None,
    ) -> Iterator[Done[Task, Result] | Lost[Task]]:
        """Call `function` for every task and yield what came of it, in the order of completion.

        Tasks are taken from the iterable as workers become free; None means that there is none
        now, and that it is to be asked again soon. A task's own fault is for the function to
        return: what it raises is tried again. `idle` is called in every second in which nothing
        comes back.
        """
        fresh = iter(tasks)
        suspects: collections.deque[_Attempt[Task]] = collections.deque()
        running: dict[cf.Future[Result], _Attempt[Task]] = {}
        try:
            while True:
                more = self._refill(function, fresh, suspects, running)
                if not running and not suspects:
                    if not more:
                        return
                    time.sleep(SOON)
                    continue
                done = cf.wait(running, SECOND, return_when=cf.FIRST_COMPLETED).done
                if not done:
                    idle()
                for future in done:
                    outcome = self._settle(running.pop(future), future, suspects)
                    if outcome is not None:
                        yield outcome
        finally:
            for future in running:
                future.cancel()

    def close(self, wait: bool = True) -> None:
        """Let the workers end; without `wait` return while they still do."""
        if self._executor is not None:
            self._executor.shutdown(wait=wait)
            self._executor = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.close(wait=kind is None)

    def _refill(
        self,
        function: Callable[[Task], Result],
        fresh: Iterator[Task | None],
        suspects: collections.deque[_Attempt[Task]],
        running: dict[cf.Future[Result], _Attempt[Task]],
    ) -> bool:
        """Submit a suspect when nothing else runs, or fresh tasks while there is no suspect.

        False where there will be no more tasks.
        """
        if suspects and not running:
            attempt = suspects.popleft()
            attempt.alone = True
            self._submit(function, attempt, running, suspects)
        while not suspects and len(running) < 2 * self.workers:
            if any(attempt.alone for attempt in running.values()):
                return True
            task = next(fresh, _NOTHING)
            if task is None or task is _NOTHING:
                return task is None
            self._submit(function, _Attempt(task), running, suspects)
        return True

    def _settle(
        self,
        attempt: _Attempt[Task],
        future: cf.Future[Result],
        suspects: collections.deque[_Attempt[Task]],
    ) -> Done[Task, Result] | Lost[Task] | None:
        """What came of an attempt; None where the task becomes a suspect."""
        try:
            return Done(attempt.task, future.result())
        except self._fatal:
            raise
        except (cf.BrokenExecutor, cf.CancelledError) as error:
            self._discard()
            reason, died = str(error), True
        except self._deaths as error:
            reason, died = str(error), True
        except Exception as error:  # noqa: BLE001, told in the end, never hidden
            reason, died = f"{type(error).__name__}: {error}", False
        attempt.failures += attempt.alone or not died
        if attempt.failures >= ATTEMPTS:
            return Lost(attempt.task, reason)
        suspects.append(attempt)
        return None

    def _submit(
        self,
        function: Callable[[Task], Result],
        attempt: _Attempt[Task],
        running: dict[cf.Future[Result], _Attempt[Task]],
        suspects: collections.deque[_Attempt[Task]],
    ) -> None:
        if self._executor is None:
            self._executor = self._make()
        try:
            running[self._executor.submit(function, attempt.task)] = attempt
        except self._broken:
            self._discard()
            suspects.append(attempt)

    def _discard(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None


_NOTHING: Any = object()
