"""The engine: everything comes back once, whoever dies on the way."""

from __future__ import annotations

import concurrent.futures as cf
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.engine.engine import Done, Engine, Lost

Outcomes = list[Done[str, str] | Lost[str]]


def pool(workers: int) -> cf.Executor:
    return cf.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(lambda: pool(2), 2) as made:
        yield made


def work(task: str) -> str:
    """Task "kind path": "dies" and "fails" do so always, "dies-once" unless the file exists."""
    kind, _, path = task.partition(" ")
    if kind == "dies" or (kind == "dies-once" and not Path(path).exists()):
        if path:
            Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "fails":
        raise LookupError("nothing there")
    if kind == "wall":
        raise PermissionError("no wall")
    return kind.upper()


def results(outcomes: Outcomes) -> Counter[str]:
    return Counter(o.result for o in outcomes if isinstance(o, Done))


def test_every_task_is_done_once(engine: Engine) -> None:
    tasks = [f"t{number}" for number in range(20)]
    outcomes = list(engine.run(work, tasks))
    assert results(outcomes) == Counter(task.upper() for task in tasks)


@pytest.mark.parametrize("tasks", [[], ["one"]])
def test_a_class_of_none_and_of_one(engine: Engine, tasks: list[str]) -> None:
    assert results(list(engine.run(work, tasks))) == Counter(task.upper() for task in tasks)


def test_a_task_that_kills_its_worker_fails_alone(engine: Engine) -> None:
    tasks = ["a", "b", "dies", "c", "d", "e"]
    outcomes = list(engine.run(work, tasks))
    assert results(outcomes) == Counter("ABCDE")
    lost = [o for o in outcomes if isinstance(o, Lost)]
    assert [o.task for o in lost] == ["dies"]
    assert "terminated" in lost[0].reason


def test_a_worker_that_dies_once_costs_nobody_anything(engine: Engine, tmp_path: Path) -> None:
    tasks = ["a", f"dies-once {tmp_path}/once", "b", "c"]
    outcomes = list(engine.run(work, tasks))
    assert results(outcomes) == Counter(["A", "B", "C", "DIES-ONCE"])


def test_what_the_work_raises_is_told_after_three_attempts(engine: Engine) -> None:
    outcomes = list(engine.run(work, ["a", "fails", "b"]))
    assert results(outcomes) == Counter("AB")
    assert [(o.task, o.reason) for o in outcomes if isinstance(o, Lost)] == [
        ("fails", "LookupError: nothing there")
    ]


def test_a_fatal_error_ends_the_run() -> None:
    with (
        Engine(lambda: pool(1), 1, fatal=(PermissionError,)) as engine,
        pytest.raises(PermissionError, match="no wall"),
    ):
        list(engine.run(work, ["wall"] * 5))


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = 0

    def tasks() -> Iterator[str]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield f"t{number}"

    with Engine(lambda: cf.ThreadPoolExecutor(2), 2) as engine:
        for done, _ in enumerate(engine.run(work, tasks())):
            assert taken <= done + 1 + 4 + 1
    assert taken == 100
