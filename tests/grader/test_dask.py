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
from mini_course import ASSIGNMENT, GOOD, LOOPING, WRONG, MiniCourse

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
    file: Path
    scheduler: subprocess.Popen[str]
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
    while not file.exists() or not file.stat().st_size:
        assert scheduler.poll() is None
        time.sleep(0.05)
    yield Cluster(file, scheduler, workers)
    for process in (*workers, scheduler):
        process.kill()
        process.communicate()


def test_a_worker_killed_in_the_middle_costs_nobody_a_grade(
    cluster: Cluster, tmp_path: Path
) -> None:
    course = MiniCourse(tmp_path / "course").create()
    for number in range(30):
        course.submit(f"student {number}", GOOD if number % 2 else WRONG, f"Number {number}.")
    run = python("grader", "run", ASSIGNMENT, f"--cluster={cluster.file}", cwd=course.root)
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


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://127.0.0.1:1", "Timed out"),
        ("tls://127.0.0.1:1", "check your TLS configuration"),
        ("nowhere.json", "No such file"),
        ("other.json", "'address'"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_to_be(
    tmp_path: Path, address: str, reason: str
) -> None:
    course = MiniCourse(tmp_path / "course").create()
    course.submit("ada", GOOD)
    (course.root / "other.json").write_text("{}")
    run = python("grader", "run", ASSIGNMENT, f"--cluster={address}", cwd=course.root)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 2
    assert f"no Dask scheduler answers at {address}" in output
    assert reason in output
    assert "Traceback" not in output


@pytest.fixture
def looping(tmp_path: Path) -> MiniCourse:
    course = MiniCourse(tmp_path / "course").create()
    for number in range(12):
        course.submit(f"student {number}", LOOPING if number > 3 else GOOD, f"Number {number}.")
    return course


def begin(course: MiniCourse, cluster: Cluster) -> subprocess.Popen[str]:
    """A run that has recorded something and is far from done."""
    address = json.loads(cluster.file.read_text())["address"]
    run = python("grader", "run", ASSIGNMENT, f"--cluster={address}", cwd=course.root)
    log = course.root / "grader.log"
    while run.poll() is None and (not log.exists() or not course.events("recorded")):
        time.sleep(0.01)
    return run


def test_workers_that_are_all_gone_are_waited_for_and_missed_aloud(
    cluster: Cluster, looping: MiniCourse, tmp_path: Path
) -> None:
    run = begin(looping, cluster)
    for worker in cluster.workers:
        worker.kill()
    end = time.monotonic() + 20
    while not looping.events("waiting"):
        assert time.monotonic() < end
        assert run.poll() is None
        time.sleep(0.1)
    assert "has no workers" in looping.events("waiting")[0]["reason"]
    assert len(looping.events("recorded")) < 12
    scheduler = str(tmp_path / "scheduler.json")
    worker = ["--scheduler-file", scheduler, "--no-nanny", "--nthreads=1", "--host", "127.0.0.1"]
    for _ in range(2):
        cluster.workers.append(python("distributed.cli.dask_worker", *worker, cwd=tmp_path))
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    assert len(looping.events("recorded")) == 12
    assert output.count("has no workers") == 1


def test_a_scheduler_that_dies_stops_the_run_in_one_line(
    cluster: Cluster, looping: MiniCourse
) -> None:
    run = begin(looping, cluster)
    cluster.scheduler.kill()
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 3, output
    assert "no Dask scheduler answers" in output
    assert "Traceback" not in output
