"""A Dask cluster instead of a pool: the same results, also when a worker is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mini_course import ASSIGNMENT, GOOD, WRONG, MiniCourse

pytestmark = pytest.mark.xdist_group("dask")  # its fixtures are made once

pytest.importorskip("distributed", reason="Dask is not installed (the extra `scale`)")

REPOSITORY = Path(__file__).parents[2]


def python(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@dataclass
class Cluster:
    address: str
    workers: list[subprocess.Popen[str]]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and two workers, as one starts them by hand."""
    file = tmp_path / "scheduler.json"
    where = ["--scheduler-file", str(file), "--no-dashboard"]
    host = ["--host", "127.0.0.1"]
    scheduler = python("distributed.cli.dask_scheduler", "--port=0", *host, *where, cwd=tmp_path)
    single = ["--no-nanny", "--nthreads=1", *host]
    workers = [
        python("distributed.cli.dask_worker", *single, *where, cwd=tmp_path) for _ in range(2)
    ]
    while not file.exists():
        assert scheduler.poll() is None
        time.sleep(0.05)
    yield Cluster(json.loads(file.read_text())["address"], workers)
    for process in (*workers, scheduler):
        process.kill()
        process.communicate()


def test_a_worker_killed_in_the_middle_costs_nobody_a_grade(
    cluster: Cluster, tmp_path: Path
) -> None:
    course = MiniCourse(tmp_path / "course").create()
    for number in range(30):
        course.submit(f"student {number}", GOOD if number % 2 else WRONG, f"Number {number}.")
    arguments = ["grader", "run", ASSIGNMENT, f"--cluster={cluster.address}"]
    run = python(*arguments, cwd=course.root)
    log = course.root / "grader.log"
    while run.poll() is None and (not log.exists() or len(course.events("recorded")) < 4):
        time.sleep(0.01)
    assert len(course.events("recorded")) < 25, "too fast to be disturbed"
    cluster.workers[0].kill()
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    scores = {event["student"]: event["score"] for event in course.events("recorded")}
    assert scores == {f"student {n}": 9.0 if n % 2 else 6.0 for n in range(30)}
    assert len(course.events("recorded")) == 30


def test_a_cluster_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    course = MiniCourse(tmp_path / "course").create()
    course.submit("ada", GOOD)
    arguments = ["grader", "run", ASSIGNMENT, "--cluster=tcp://127.0.0.1:1"]
    run = python(*arguments, cwd=course.root)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in output
