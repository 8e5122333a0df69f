"""Each wall has a processor of its own while it examines, as long as there is one left."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.wall import processor
from grader.wall.channel import Channel
from grader.wall.processor import Processor
from grader.wall.sandbox import Limits, Sandbox

ALLOWED = os.sched_getaffinity(0)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other walls on this machine, those of tests beside this one, use other names."""
    monkeypatch.setattr(processor, "_NAME", f"\0tinytorch-test-{uuid.uuid4()}-{{}}")
    os.sched_setaffinity(0, ALLOWED)


def in_another_process(work: Callable[[], bool]) -> bool:
    """Whether work says so, in a fork; the claims and the processor of this process stay."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def claim_all() -> list[Processor]:
    claimed = []
    for _ in ALLOWED:
        claimed.append(Processor())
        os.sched_setaffinity(0, ALLOWED)  # as another wall's process would be
    return claimed


def test_every_wall_gets_another_one_until_none_is_left() -> None:
    def found() -> bool:
        claimed = claim_all()
        return {each.number for each in claimed} == ALLOWED and Processor().number is None

    assert in_another_process(found)


def test_who_leaves_one_lets_another_have_it_and_runs_anywhere() -> None:
    def found() -> bool:
        first, *_others = claim_all()
        first.leave()
        return os.sched_getaffinity(0) == ALLOWED and Processor().number is not None

    assert in_another_process(found)


def test_an_ended_process_has_none() -> None:
    assert in_another_process(lambda: len(claim_all()) == len(ALLOWED))
    assert in_another_process(lambda: Processor().number in ALLOWED)


def test_who_has_one_runs_there_with_its_children() -> None:
    def found() -> bool:
        number = Processor().number
        return in_another_process(lambda: os.sched_getaffinity(0) == {number})

    assert in_another_process(found)


def test_a_submission_runs_where_its_wall_does_and_the_wall_anywhere_afterwards() -> None:
    sandbox = Sandbox(Limits(), (Path(__file__).parents[2],))
    sandbox.start([], [])
    sandbox.wait()
    channel = Channel(sandbox)
    try:
        [output] = channel.run_cell("import os\nprint(os.sched_getaffinity(0))").outputs
        [number] = os.sched_getaffinity(0)
    finally:
        channel.close()
        sandbox.close()
    assert output["text"] == f"{{{number}}}\n"
    assert os.sched_getaffinity(0) == ALLOWED
