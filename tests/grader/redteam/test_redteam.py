"""Each attack in attacks/ is graded between honest neighbours, and changes its own score alone.

An attack's file says, in constants: BASE, what it is made from ("untouched", worth nothing, or
"honest", worth everything); COSTS, the checks it rightly loses; REFUSED, words of the message where
it cannot be graded at all; LIMITS = "short" where it is a time-out that ends it; TWICE where it is
graded a second time, to find what it left behind.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from redteam import course
from redteam.scene import ATTACKS, Scene, expected, load, names, scene
from redteam.tools import World

from grader.course.assignment import Assignment, read_assignment
from grader.engine.gradebook import Sheet
from grader.feedback.page import page
from grader.submissions.intake import read_contents, take_in
from grader.submissions.submission import Submission, SubmissionError
from grader.wall.examine import Examined, Wall
from grader.wall.sandbox import Limits

USUAL = Limits(cell_seconds=10.0, check_seconds=10.0, submission_seconds=40.0, memory_mb=512)
SHORT = replace(
    USUAL,
    cell_seconds=1.0,
    check_seconds=0.6,
    grace_seconds=0.2,
    submission_seconds=15.0,
    memory_mb=256,
    scratch_mb=16,
    file_mb=4,
)
MOST_BYTES = 20 * 2**20
"""of an executed notebook"""


@dataclass
class Classroom:
    """The scene, and a wall for each kind of limits."""

    scene: Scene
    assignment: Assignment
    walls: dict[str, Wall]
    honest: str = ""

    def examine(self, folder: Path, limits: str) -> Examined:
        return self.walls[limits].examine(self.read(folder), course.SEED)

    def read(self, folder: Path) -> Submission:
        """The submission as `grader run` and `nbgrader autograde` read it."""
        taken = take_in(folder, read_contents(folder, [self.assignment]), [self.assignment])
        return taken.submissions[course.NOTEBOOK]

    def outside(self) -> dict[str, object]:
        """All that no submission may change."""
        packages = {place: names(place) for place in sys.path if place.endswith("-packages")}
        return {**self.scene.files("submitted"), **packages, "processes": _processes()}

    def settled(self, before: dict[str, object]) -> dict[str, object]:
        """`outside`, once what is being killed is gone."""
        for _ in range(40):
            after = self.outside()
            if after["processes"] == before["processes"]:
                break
            time.sleep(0.05)
        return after


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    root = tmp_path_factory.mktemp("redteam")
    with scene(root) as set_up:
        source = root / "course" / "source" / course.ASSIGNMENT / f"{course.NOTEBOOK}.ipynb"
        assignment = read_assignment(source, course.ASSIGNMENT)
        with Wall(assignment, USUAL, (root,)) as usual, Wall(assignment, SHORT, (root,)) as short:
            room = Classroom(set_up, assignment, {"usual": usual, "short": short})
            folder = set_up.hand_in("neighbour")
            for limits in room.walls:
                room.honest = _told(room.examine(folder, limits))
            yield room


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, classroom: Classroom) -> None:
    attack = load(name)
    limits = getattr(attack, "LIMITS", "usual")
    refused = getattr(attack, "REFUSED", None)
    folder = classroom.scene.hand_in("attacker", attack)
    for wall in classroom.walls.values():
        wall.start()
    before = classroom.outside()
    for _ in range(2 if getattr(attack, "TWICE", False) else 1):
        begun = time.monotonic()
        if refused is None:
            _assert_held(attack, classroom.examine(folder, limits), classroom.scene.world)
        else:
            with pytest.raises(SubmissionError) as caught:
                classroom.read(folder)
            message = str(caught.value)
            assert refused in message
            assert "\n" not in message
            assert len(message) < 500
        assert time.monotonic() - begun < 30
    assert _told(classroom.examine(classroom.scene.world.neighbour, limits)) == classroom.honest
    assert classroom.settled(before) == before
    assert not classroom.scene.connected()


def _assert_held(attack: ModuleType, examined: Examined, world: World) -> None:
    earned = {verdict.grade_id: verdict.points for verdict in examined.verdicts}
    assert earned == expected(attack), [verdict.message for verdict in examined.verdicts]
    executed = json.dumps(examined.notebook)
    assert nbformat.writes(examined.notebook).encode()
    assert len(executed) < MOST_BYTES
    sheet = Sheet(examined.points, course.FULL, 0.0)
    sheet.scores.update({name: (earned[name], course.POINTS[name]) for name in earned})
    shown = page(json.loads(executed), course.NOTEBOOK, sheet)
    said = "\n".join([*examined.notes, *(f"{v.message}{v.printed}" for v in examined.verdicts)])
    assert len(said) < 2**22
    for secret in course.SECRETS:
        assert secret not in executed
        assert secret not in shown
        assert secret not in said
    outputs = json.dumps([cell.get("outputs") for cell in examined.notebook.cells])
    for trace in (f"canary {world.mark}", f"secret {world.mark}", f"{world.mark} reached"):
        assert trace not in outputs
        assert trace not in said
    for tag in (f"<script>{world.mark}", f"<img src=x onerror={world.mark}"):
        assert tag not in shown


def _told(examined: Examined) -> str:
    """All that grading says about a submission, but for how long it took."""
    verdicts = [(v.grade_id, v.points, v.message, v.printed) for v in examined.verdicts]
    return json.dumps([examined.notebook, verdicts, examined.notes], sort_keys=True)


def _processes() -> list[tuple[str, int]]:
    """The command and the niceness of this process and of all that descend from it."""
    parents: dict[int, int] = {}
    told: dict[int, tuple[str, int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path("/proc", entry, "cmdline").read_text(errors="replace").split("\0")
            fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(entry)], told[int(entry)] = int(fields[1]), (command[0], int(fields[16]))
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(told[pid] for pid in found)
