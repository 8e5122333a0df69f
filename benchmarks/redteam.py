"""What each attack of tests/grader/redteam does to stock nbgrader, and what it does here.

`python -m benchmarks.redteam [ATTACK ...]` prints a table. Stock nbgrader grades a class of two,
the attacker and an honest neighbour, in a bubblewrap box of its own: no network, the file system
read-only but for a small one in memory, so that attacks on installed packages always fail there.
Here, a class of all attackers and neighbours goes through `nbgrader autograde` behind the wall.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "grader")]

from redteam import course  # noqa: E402 - after its folder is on the path
from redteam.scene import ATTACKS, Scene, expected, load, scene  # noqa: E402

from grader.wall.sandbox import find_bubblewrap  # noqa: E402

SECONDS = 90  # for one attack on stock nbgrader
ROW = "{:<28} {:<48} {}"
WALL = """
from grader.plugins.autograde import use_wall
use_wall(c)
c.GenerateFeedback.exporter_class = "grader.feedback.exporter.FeedbackExporter"
c.WalledAutograde.limits = {
    "cell_seconds": 2.0, "check_seconds": 1.0, "submission_seconds": 20.0, "memory_mb": 512
}
"""
GRADED = ("submitted", "autograded", "feedback", "gradebook.db", "gradebook.db-journal")


def main() -> None:
    """Print the table for the attacks named on the command line, for all of them without."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redteam", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="attack", help="all of them without")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if options.inside:
        _limit()
        print(json.dumps(_grade_stock(options.inside)))
        return
    chosen = options.attacks or ATTACKS
    if unknown := set(chosen) - set(ATTACKS):
        parser.error(f"no attack {', '.join(sorted(unknown))} in tests/grader/redteam/attacks")
    here = _grade_here(chosen)
    print(ROW.format("attack", "stock nbgrader", "here"))
    held = {"stock": 0, "here": 0}
    with ThreadPoolExecutor(2) as pool:
        for name, found in zip(chosen, pool.map(_stock, chosen), strict=True):
            print(ROW.format(name, ", ".join(found) or "holds", ", ".join(here[name]) or "holds"))
            sys.stdout.flush()
            held["stock"] += not found
            held["here"] += not here[name]
    print(f"\n{len(chosen)} attacks; stock holds {held['stock']}, here {held['here']}")


def _stock(name: str) -> list[str]:
    """What the attack does to stock nbgrader, in a box."""
    command = [find_bubblewrap(), "--unshare-all", "--die-with-parent", "--new-session"]
    command += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    command += ["--size", str(2**28), "--tmpfs", "/tmp", "--size", str(2**29), "--tmpfs", "/run"]
    command += ["--setenv", "HOME", "/run", "--setenv", "TMPDIR", "/run", "--chdir", "/run"]
    command += [sys.executable, "-B", "-m", "benchmarks.redteam", "--inside", name]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return ["grading never ends"]
    lines = output.decode().splitlines()
    return list(json.loads(lines[-1])) if lines else ["grading is killed"]


def _limit() -> None:
    """Limits that attacks on stock nbgrader cannot go beyond, whatever they do."""
    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**26, 2**26))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _grade_stock(name: str) -> list[str]:
    with scene(Path(tempfile.mkdtemp())) as here:
        attack = load(name)
        here.hand_in("attacker", attack)
        here.hand_in("neighbour")
        before, running = here.files(*GRADED), _running()
        _nbgrader(here, "autograde", SECONDS * 2 // 3)
        left = _running() - running
        return [
            *_effects(here, "attacker", attack),
            *_neighbour(here, "neighbour"),
            *(["other files changed"] if here.files(*GRADED) != before else []),
            *(["network reached"] if here.connected() else []),
            *(["process left"] if left > 0 else []),
        ]


def _grade_here(chosen: list[str]) -> dict[str, list[str]]:
    """What each attack does behind the wall, all in one class with a neighbour after each."""
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as here:
        config = here.world.course / "nbgrader_config.py"
        config.write_text(course.CONFIG + WALL)
        for name in chosen:
            here.hand_in(name, load(name))
            here.hand_in(f"{name}~")
        before = here.files(*GRADED)
        _nbgrader(here, "autograde", 600)
        others = ["other files changed"] if here.files(*GRADED) != before else []
        others += ["network reached"] if here.connected() else []
        return {
            name: [*_effects(here, name, load(name)), *_neighbour(here, f"{name}~"), *others]
            for name in chosen
        }


def _nbgrader(here: Scene, command: str, seconds: float) -> None:
    """`nbgrader` on the whole class, in a session of its own, for so long at most."""
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "nbgrader", command, course.ASSIGNMENT, "--force"],
        cwd=here.world.course,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _effects(here: Scene, student: str, attack: ModuleType) -> Iterator[str]:
    """What became of the attacker's own grade, and what the attack has read."""
    score, due = _score(here, student), sum(expected(attack).values())
    refused = hasattr(attack, "REFUSED")
    if score is None and not refused:
        yield "not graded"
    elif score is not None and refused:
        yield f"graded with {score:g}"
    elif score is not None and score != due:
        yield f"{score - due:+g} points"
    folder = here.world.course / "autograded" / student
    outputs = ""
    for path in folder.rglob("*.ipynb"):
        with contextlib.suppress(ValueError, AttributeError):
            cells = json.loads(path.read_bytes())["cells"]
            outputs += json.dumps([cell.get("outputs") for cell in cells])
    if any(secret in outputs for secret in course.SECRETS):
        yield "hidden test shown"
    traces = (f"canary {here.world.mark}", f"secret {here.world.mark}", "reached\\n")
    if any(trace in outputs for trace in traces):
        yield "outside read"
    copied = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".ipynb"]
    if any(here.world.mark.encode() in path.read_bytes() for path in copied):
        yield "outside copied"


def _neighbour(here: Scene, student: str) -> Iterator[str]:
    """What became of the honest neighbour's grade."""
    score = _score(here, student)
    if score is None:
        yield "neighbour not graded"
    elif score != course.FULL:
        yield f"neighbour {score - course.FULL:+g} points"


def _score(here: Scene, student: str) -> float | None:
    """The automatic points of a student; None where the gradebook has none."""
    with contextlib.closing(sqlite3.connect(here.world.course / "gradebook.db")) as database:
        try:
            rows = database.execute(
                "SELECT COALESCE(g.manual_score, g.auto_score) FROM grade g "
                "JOIN submitted_notebook n ON n.id = g.notebook_id "
                "JOIN submitted_assignment a ON a.id = n.assignment_id "
                "WHERE a.student_id = ?",
                (student,),
            ).fetchall()
        except sqlite3.DatabaseError:
            return None
    points = [row[0] for row in rows]
    return None if not points or None in points else float(sum(points))


def _running() -> int:
    """How many processes there are in this box, once those that are ending have ended."""
    time.sleep(0.3)
    return sum(entry.isdigit() for entry in os.listdir("/proc"))


if __name__ == "__main__":
    main()
