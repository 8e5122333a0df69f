"""How fast a class is graded: `make bench-class`, or `python -m benchmarks.class_speed`.

One class, one machine, one run. The few submissions that run into a time limit are timed apart.
CPU is that of all processes together, sandboxes included.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import gc
import io
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import THREADS
from benchmarks.__main__ import ROW, row
from benchmarks.class_course import MadeClass, fresh, make, stock
from benchmarks.class_process import cpu_seconds, family, pss_mb
from benchmarks.measure import Figure
from grader.cli import RunApp
from grader.configured import Configured, configured
from grader.course.demo import ASSIGNMENT, COURSE
from grader.engine.engine import Engine
from grader.engine.events import Event, Recorded
from grader.engine.pipeline import ClassRun
from grader.engine.worker import Examination, ExamineTask, examine
from grader.submissions.intake import read_contents, take_in
from grader.submissions.submission import Cell
from grader.wall.channel import Channel
from grader.wall.sandbox import Sandbox

OWN = ("solution", "added")
"""The kinds of cells that run behind the wall."""

ALL = (*OWN, "check")

COPIES = 200
"""How often each of 50 submissions is repeated for the class of 10,000."""


@dataclass(frozen=True)
class Timed:
    """One `grader run`: wall seconds in all and of its two phases, CPU, memory at most (MB)."""

    wall: float
    grading: float
    feedback: float
    cpu: float
    driver: float
    worker: float


def figures(count: int, sample: int, folder: Path, parts: list[str]) -> Iterator[Figure]:
    """Make a class of `count` and measure it; slow sides on `sample` of it."""
    made = make(folder / "class", count)
    if "speed" in parts:
        yield from _speed(made, sample, folder)
    if "record" in parts:
        yield from _recording(made, folder)


def _speed(made: MadeClass, sample: int, folder: Path) -> Iterator[Figure]:
    size = len(made.students)
    some = made.students[:: max(1, size // sample)][:sample]
    examining = {figure.name: figure for figure in _examining(made, some)}
    yield from examining.values()
    examined = statistics.mean(examining["examining, CPU"].values)

    theirs = stock(fresh(made, folder / "stock", some), some)
    yield Figure("stock autograde, CPU", _ms(theirs.autograde), "ms")
    yield Figure("stock feedback, CPU", _ms(theirs.feedback), "ms")
    yield Figure("stock start-up, CPU", [theirs.start], "s")

    for workers in (1, 2):
        few = run(
            fresh(made, folder / "run", some[:workers]),
            f"--workers={workers}",
            "--ClassApp.feedback=False",
        )
        start = few.cpu - workers * examined / 1000
        goal = 1.5 if workers == 1 else None
        yield Figure(f"start-up, {workers} worker(s), CPU", [start], "s", at_most=goal)

    two = run(fresh(made, folder / "run", made.students), "--workers=2")
    yield Figure("grader run, two workers", [size / two.wall], "/s")
    yield Figure("throughput against stock, wall", _ratios(theirs.wall, two.wall / size))
    spent = [sum(pair) for pair in zip(theirs.autograde, theirs.feedback, strict=True)]
    yield Figure(
        "throughput against stock, CPU, two cores",
        [2 * ratio for ratio in _ratios(spent, two.cpu / size)],
        at_least=15,
    )
    pages = _ratios(theirs.feedback, two.feedback / size)
    yield Figure("feedback pages against stock", pages, at_least=8)
    each = 1000 * two.cpu / size
    yield Figure("grader run, CPU a submission, all included", [each], "ms")
    one = run(fresh(made, folder / "run", made.students), "--workers=1")
    both = (one.grading + one.feedback) / (two.grading + two.feedback)
    yield Figure("two workers against one", [both], at_least=1.6)
    yield Figure("driver, PSS", [two.driver], "MB", at_most=300)
    yield Figure("a worker with its submission, PSS", [two.worker], "MB", at_most=250)

    dask = run_on_dask(fresh(made, folder / "run", made.students))
    yield Figure("Dask against the pool, grading", [two.grading / dask.grading], at_least=0.9)
    if made.slow:
        slow = run(fresh(made, folder / "run", made.slow), "--workers=2")
        yield Figure(f"{len(made.slow)} with an endless loop, wall", [slow.wall], "s")


def run(root: Path, *arguments: str) -> Timed:
    """`grader run` in a process of its own."""
    log = root / "grader.log"
    log.unlink(missing_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "grader", "run", ASSIGNMENT, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(COURSE)},
        stdout=subprocess.DEVNULL,
    )
    cpu = driver = worker = 0.0
    while process.poll() is None:
        time.sleep(0.2)
        tree = family(process.pid)
        cpu = max(cpu, cpu_seconds(process.pid))
        driver = max(driver, pss_mb([process.pid]))
        for child in _children(process.pid, tree):
            worker = max(worker, pss_mb(family(child)))
    wall = time.perf_counter() - began
    if process.returncode not in (0, 1):
        raise RuntimeError(f"grader run ended with {process.returncode}")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    grading, feedback = _phases(events)
    return Timed(wall, grading, feedback, cpu, driver, worker)


def run_on_dask(root: Path) -> Timed:
    """`grader run` on two Dask workers, which have imported the grader, as a pool's have."""
    environment = {**os.environ, "PYTHONPATH": str(COURSE)}
    file = root / "scheduler.json"
    where = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    single = ["--nthreads=1", "--no-nanny", "--preload", "grader.engine.worker"]
    commands = [["dask_scheduler", "--port=0", *where], *[["dask_worker", *single, *where]] * 2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{name}", *options],
            cwd=root,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, *options in commands
    ]
    try:
        while not file.exists():
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        return run(root, f"--cluster={address}")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _phases(events: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds of grading, from the first result on, and of feedback."""
    times = [dt.datetime.fromisoformat(event["time"]).timestamp() for event in events]
    kinds = [event["event"] for event in events]
    begun = [t for t, kind in zip(times, kinds, strict=True) if kind == "found"]
    recorded = [t for t, kind in zip(times, kinds, strict=True) if kind == "recorded"]
    return recorded[-1] - recorded[0], times[-1] - begun[-1]


def _children(pid: int, tree: list[int]) -> list[int]:
    parents = {}
    for each in tree:
        try:
            parents[each] = int(
                Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:
            continue
    return [child for child, parent in parents.items() if parent == pid]


def _ms(seconds: list[float]) -> list[float]:
    return [1000 * each for each in seconds]


def _ratios(theirs: list[float], ours: float) -> list[float]:
    """How many times as long they take; over the sample in groups, for the spread of a mean."""
    groups = [theirs[start::4] for start in range(4)]
    return [statistics.mean(group) / ours for group in groups if group]


def _open(root: Path) -> Configured:
    os.chdir(root)
    app = RunApp()
    app.initialize([])
    app.coursedir.assignment_id = ASSIGNMENT
    return configured(app, 60, print)


def _task(opened: Configured, student: str) -> ExamineTask:
    course = opened.course
    folder = course.submitted(student)
    taken = take_in(folder, read_contents(folder, course.assignments), course.assignments)
    seed = course.seed(student)
    parts = ((course.masters[name], part, seed) for name, part in taken.submissions.items())
    return ExamineTask(student, tuple(parts))


def _examining(made: MadeClass, students: list[str]) -> Iterator[Figure]:
    """Two floors, and the CPU over them of the wall alone and of examining, in turns."""
    opened = _open(made.root)
    tasks = [_task(opened, student) for student in students]
    run_plainly = _plain(opened)
    run_plainly(tasks[0], ALL)
    gc.collect()
    gc.freeze()  # as `python -m grader` does before it has workers
    examine(tasks[0])
    own, walled, floor, times = [], [], [], []
    with _sandbox(opened, tasks[0]) as sandbox:
        for task in tasks:
            run_plainly(task, OWN)  # what ran before has displaced it from the caches
            own.append(run_plainly(task, OWN))
            walled.append(_cpu(partial(_run_walled, sandbox, task), 20))
            run_plainly(task, ALL)
            floor.append(run_plainly(task, ALL))
            times.append(_cpu(partial(examine, task), 4))
    yield Figure("floor: the student's cells by plain exec, CPU", own, "ms")
    yield Figure("the wall: them behind it, over the floor", _over(walled, own), "ms", at_most=40)
    yield Figure("floor: graded cells too, by plain exec, CPU", floor, "ms")
    yield Figure("examining, CPU", times, "ms")
    over = _over(times, floor)
    yield Figure("examining over the floor, CPU", over, "ms", at_most=40)
    ratios = [more / least for more, least in zip(over, floor, strict=True)]
    yield Figure("examining over the floor, in floors", ratios)


def _cpu(work: Callable[[], object], times: int) -> float:
    """CPU (ms) of doing it once; so many times, as the kernel counts hundredths of a second."""
    start = cpu_seconds(os.getpid())
    for _ in range(times):
        work()
    return 1000 * (cpu_seconds(os.getpid()) - start) / times


def _over(times: list[float], floor: list[float]) -> list[float]:
    return [mine - least for mine, least in zip(times, floor, strict=True)]


@contextlib.contextmanager
def _sandbox(opened: Configured, task: ExamineTask) -> Iterator[Sandbox]:
    """A wall as the task's examination has it, with nothing in front of it."""
    (assignment,) = opened.course.assignments
    master = task.parts[0][0]
    sandbox = Sandbox(master.limits, master.hidden, master.protected)
    sandbox.start([cell.source for cell in assignment.given], [c.name for c in assignment.classes])
    try:
        sandbox.wait()
        yield sandbox
    finally:
        sandbox.close()


def _run_walled(sandbox: Sandbox, task: ExamineTask) -> None:
    """The student's cells alone, in a process of their own: its fork, its end, all between."""
    channel = Channel(sandbox)
    for cell in _cells(task, OWN):
        channel.run_cell(cell.source)
    channel.close()


def _cells(task: ExamineTask, kinds: Collection[str]) -> Iterator[Cell]:
    cells = task.parts[0][1].cells
    return (cell for cell in cells if cell.cell_type == "code" and cell.kind in kinds)


def _plain(opened: Configured) -> Callable[[ExamineTask, Collection[str]], float]:
    """A function: CPU (ms) of the cells of some kinds by `exec`, in this process."""
    (assignment,) = opened.course.assignments
    checks = {c.grade_id: compile(c.source, c.grade_id, "exec") for c in assignment.checks}
    names: dict[str, Any] = {"__name__": "__main__"}
    for given in assignment.given:
        exec(given.source, names)  # noqa: S102, our own notebook

    def run_plainly(task: ExamineTask, kinds: Collection[str]) -> float:
        names_here = dict(names)
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in _cells(task, kinds):
                code = checks[cell.grade_id or ""] if cell.kind == "check" else cell.source
                try:
                    exec(code, names_here)  # noqa: S102
                except Exception:  # noqa: BLE001, a made-up student's mistake
                    continue
        return 1000 * (time.process_time() - start)

    return run_plainly


def _recording(made: MadeClass, folder: Path) -> Iterator[Figure]:
    """10,000 submissions, examined before: CPU and memory of reading and recording."""
    chosen = [s for s in made.students if not _crashes(made, s)][:50]
    root = fresh(made, folder / "record", chosen)
    opened = _open(root)
    done = {student: examine(_task(opened, student)) for student in chosen}
    students = [f"{student} {copy}" for copy in range(COPIES) for student in chosen]
    for student in students:
        shutil.copytree(root / "submitted" / student.split()[0], root / "submitted" / student)
    marks: list[tuple[float, float]] = []
    recorded = 0

    def report(event: Event) -> None:
        nonlocal recorded
        recorded += isinstance(event, Recorded)
        if isinstance(event, Recorded) and recorded % 1000 == 0:
            marks.append((time.process_time(), pss_mb([os.getpid()])))

    def examined(task: ExamineTask) -> Examination:
        return done[task.student.split()[0]]

    marks.append((time.process_time(), pss_mb([os.getpid()])))
    engine = Engine(lambda: ThreadPoolExecutor(1), 1)
    ClassRun(opened.course, opened.recorder, engine, report, examined).grade(students)
    cpu = [after[0] - before[0] for before, after in itertools.pairwise(marks)]
    yield Figure("reading, sanitising and recording, CPU", cpu, "ms", at_most=15)
    yield Figure("10,000: the last thousand's CPU against the first's", [cpu[-1] / cpu[0]])
    grown = (marks[-1][1] - marks[1][1]) / (len(students) - 1000)
    yield Figure("10,000: memory a submission", [1024 * grown], "KB")


def _crashes(made: MadeClass, student: str) -> bool:
    text = (made.root / "submitted" / student / ASSIGNMENT / "compression_dev.ipynb").read_text()
    return "os._exit" in text


def main() -> None:
    """Print the table, each row as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.class_speed", description=__doc__)
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--sample", type=int, default=24, help="how many stock nbgrader grades")
    parser.add_argument("parts", nargs="*", default=["speed", "record"], metavar="speed|record")
    options = parser.parse_args()
    for variable in THREADS:
        os.environ[variable] = "1"
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load before: {load:.1f}")
    print("median; spread: the middle half\n")
    print(ROW.format("figure", "goal", "median", "spread", ""))
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures(options.students, options.sample, Path(folder), options.parts):
            print(row(figure), flush=True)
    print(f"\nload after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
