"""The engine: everything comes back once, whoever dies on the way."""

from __future__ import annotations

import concurrent.futures as cf
import multiprocessing
import os
import signal
import time
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
    """Task "kind path": "dies" and "fails" do so always, "dies-once" at its first attempt.

    path: a file that holds a line for every attempt, and for every end of one that has an end.
    """
    kind, _, path = task.partition(" ")
    first = not path or f"begins {kind}\n" not in Path(path).read_text()
    note(path, f"begins {kind}")
    if kind == "dies" or (kind == "dies-once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if path and not kind.startswith("dies"):
        time.sleep(0.2)
        note(path, f"ends {kind}")
    if kind == "fails":
        raise LookupError("nothing there")
    if kind == "wall":
        raise PermissionError("no wall")
    return kind.upper()


def note(path: str, line: str) -> None:
    if path:
        with open(path, "a") as file:
            file.write(f"{line}\n")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


def results(outcomes: Outcomes) -> Counter[str]:
    return Counter(o.result for o in outcomes if isinstance(o, Done))


def test_every_task_is_done_once(engine: Engine) -> None:
    tasks = [f"t{number}" for number in range(20)]
    outcomes = list(engine.run(work, tasks))
    assert results(outcomes) == Counter(task.upper() for task in tasks)


@pytest.mark.parametrize("tasks", [[], ["one"]])
def test_a_class_of_none_and_of_one(engine: Engine, tasks: list[str]) -> None:
    assert results(list(engine.run(work, tasks))) == Counter(task.upper() for task in tasks)


def test_a_task_that_kills_its_worker_fails_alone_after_three_retries(
    engine: Engine, notes: Path
) -> None:
    outcomes = list(engine.run(work, ["a", "b", f"dies {notes}", "c", "d", "e"]))
    assert results(outcomes) == Counter("ABCDE")
    lost = [o for o in outcomes if isinstance(o, Lost)]
    assert [o.task for o in lost] == [f"dies {notes}"]
    assert "terminated" in lost[0].reason
    assert notes.read_text() == "begins dies\n" * 4


def test_a_worker_that_dies_once_costs_nobody_anything(engine: Engine, notes: Path) -> None:
    outcomes = list(engine.run(work, ["a", f"dies-once {notes}", "b", "c"]))
    assert results(outcomes) == Counter(["A", "B", "C", "DIES-ONCE"])


def test_suspects_are_tried_again_one_at_a_time(engine: Engine, notes: Path) -> None:
    kinds = [f"slow{number}" for number in range(3)]
    outcomes = list(engine.run(work, [f"{kind} {notes}" for kind in ("dies-once", *kinds)]))
    assert results(outcomes) == Counter(kind.upper() for kind in ("dies-once", *kinds))
    lines = notes.read_text().splitlines()
    again = [line for line in lines[lines.index("begins dies-once") + 1 :] if "dies" not in line]
    retried = again[-2 * len(kinds) :]
    assert [line.split()[0] for line in retried] == ["begins", "ends"] * len(kinds), lines
    assert retried[::2] == [line.replace("ends", "begins") for line in retried[1::2]]


def test_nothing_else_runs_while_a_suspect_is_tried_again(engine: Engine, notes: Path) -> None:
    slow = [f"slow{number} {notes}" for number in range(6)]
    list(engine.run(work, [slow[0], f"fails {notes}", *slow[1:]]))
    lines = notes.read_text().splitlines()
    again = [place for place, line in enumerate(lines) if line == "begins fails"][1:]
    assert [lines[place + 1] for place in again] == ["ends fails"] * 2, lines
    for place in again:
        before = Counter(line.split()[0] for line in lines[:place])
        assert before["begins"] == before["ends"], lines


def test_what_the_work_raises_is_told_after_three_attempts(engine: Engine, notes: Path) -> None:
    outcomes = list(engine.run(work, ["a", f"fails {notes}", "b"]))
    assert results(outcomes) == Counter("AB")
    assert [o.reason for o in outcomes if isinstance(o, Lost)] == ["LookupError: nothing there"]
    assert notes.read_text() == "begins fails\nends fails\n" * 3


def test_seconds_in_which_nothing_comes_back_are_told() -> None:
    ticks: list[float] = []
    with Engine(lambda: cf.ThreadPoolExecutor(1), 1) as engine:
        list(engine.run(time.sleep, [0.1, 2.5, 0.1], lambda: ticks.append(time.monotonic())))
    assert len(ticks) == 2


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
