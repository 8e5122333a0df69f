"""Each wall has a processor of its own, as long as there is one left."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from grader.wall import processor
from grader.wall.channel import Channel
from grader.wall.processor import Processor
from grader.wall.sandbox import Limits, Sandbox


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other walls on this machine, those of tests beside this one, claim other names."""
    monkeypatch.setattr(processor, "_NAME", f"\0tinytorch-test-{uuid.uuid4()}-{{}}")


def test_every_claim_is_of_another_processor_until_none_is_left() -> None:
    allowed = os.sched_getaffinity(0)
    claimed = [Processor.claim() for _ in allowed]
    assert {each.number for each in claimed} == allowed
    assert Processor.claim().number is None
    claimed[0].release()
    again = Processor.claim()
    assert again.number == claimed[0].number
    for each in [again, *claimed[1:]]:
        each.release()


def test_a_claim_ends_with_its_process() -> None:
    allowed = os.sched_getaffinity(0)
    if os.fork() == 0:
        held = [Processor.claim() for _ in allowed]
        os._exit(any(each.number is None for each in held))
    _, status = os.wait()
    assert status == 0
    again = Processor.claim()
    assert again.number in allowed
    again.release()


@pytest.mark.parametrize("number", sorted(os.sched_getaffinity(0))[:2])
def test_a_submission_runs_on_the_walls_processor(number: int) -> None:
    sandbox = Sandbox(Limits(), (Path(__file__).parents[2],), processor=Processor(number))
    sandbox.start([], [])
    sandbox.wait()
    channel = Channel(sandbox)
    try:
        [output] = channel.run_cell("import os\nprint(os.sched_getaffinity(0))").outputs
    finally:
        channel.close()
        sandbox.close()
    assert output["text"] == f"{{{number}}}\n"


def test_staying_on_it_is_for_this_process_and_its_children(tmp_path: Path) -> None:
    mine = Processor.claim()
    told = tmp_path / "told"
    if os.fork() == 0:
        mine.stay()
        if os.fork() == 0:
            told.write_text(repr(os.sched_getaffinity(0)))
            os._exit(0)
        os.wait()
        os._exit(0)
    os.wait()
    mine.release()
    assert told.read_text() == f"{{{mine.number}}}"
