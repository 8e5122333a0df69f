"""Each attack in attacks/ is graded between honest neighbours, and changes its own score alone.

An attack's file says, in constants: BASE, what it is made from ("untouched", worth nothing, or
"honest", worth everything); COSTS, the checks it rightly loses; REFUSED, words of the message where
it cannot be graded at all; LIMITS = "short" where it is a time-out that ends it; TWICE where it is
graded a second time, to find what it left behind.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from redteam import course
from redteam.tools import World

from grader.assignment import Assignment, read_assignment
from grader.examine import Examined, Wall
from grader.feedback import page
from grader.gradebook import Sheet
from grader.submission import SubmissionError, read_submission
from grader.wall import Limits

ATTACKS = sorted(path.stem for path in Path(__file__).with_name("attacks").glob("*.py"))
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
    """A course, a wall for each kind of limits, and traps around them."""

    world: World
    assignment: Assignment
    release: nbformat.NotebookNode
    walls: dict[str, Wall]
    loopback: socket.socket
    abstract: socket.socket
    honest: str = ""

    def hand_in(self, name: str, attack: ModuleType | None) -> Path:
        """The folder of a submission, made from the attack; without one, an honest student's."""
        folder = self.world.course / "submitted" / name / course.ASSIGNMENT
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True)
        make = getattr(attack, "attack", None)
        base = getattr(attack, "BASE", "honest")
        notebook = (
            course.copied(self.release) if base == "untouched" else course.answered(self.release)
        )
        data = make(notebook, self.world) if make else None
        text = data if data is not None else json.dumps(notebook).encode()
        (folder / f"{course.NOTEBOOK}.ipynb").write_bytes(text)
        if hasattr(attack, "attack_folder"):
            attack.attack_folder(folder, self.world)
        return folder

    def examine(self, folder: Path, limits: str = "usual") -> Examined:
        submission = read_submission(folder, self.assignment)
        return self.walls[limits].examine(submission, course.SEED)

    def outside(self) -> dict[str, object]:
        """All that no submission may change."""
        world = self.world
        files = {
            str(path): _fingerprint(path)
            for root in (world.canary, *world.course.iterdir())
            if root.name != "submitted"
            for path in (root, *root.rglob("*"))
        }
        packages = {place: _names(place) for place in sys.path if place.endswith("-packages")}
        marked = [
            str(path)
            for place in ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", Path.home())
            for path in Path(place).glob(f"*{world.mark}*")
        ]
        startup = Path.home() / ".ipython" / "profile_default" / "startup"
        return {
            "files": files,
            "packages": packages,
            "marked": marked,
            "startup": _names(startup),
            "neighbour": _fingerprint(world.neighbour / f"{course.NOTEBOOK}.ipynb"),
            "processes": _processes(),
        }

    def connected(self) -> bool:
        """Whether anything came in from outside this process."""
        try:
            self.loopback.accept()
        except BlockingIOError:
            try:
                self.abstract.recv(100)
            except BlockingIOError:
                return False
        return True


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    root = tmp_path_factory.mktemp("redteam")
    mark = f"mark{secrets.token_hex(6)}"
    canary = root / "canary"
    canary.mkdir()
    (canary / "canary.txt").write_text(f"canary {mark}")
    release = course.create(root / "course")
    (root / "course" / "canary.txt").write_text(f"canary {mark}")
    (root / "course" / "course.secret").write_text(f"secret {mark}")
    source = root / "course" / "source" / course.ASSIGNMENT / f"{course.NOTEBOOK}.ipynb"
    assignment = read_assignment(source, course.ASSIGNMENT)
    loopback = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    abstract.bind(f"\0{mark}")
    loopback.setblocking(False)
    abstract.setblocking(False)
    world = World(
        course=root / "course",
        canary=canary,
        neighbour=root / "course" / "submitted" / "neighbour" / course.ASSIGNMENT,
        mark=mark,
        port=loopback.getsockname()[1],
        abstract=mark,
        grader=os.getpid(),
    )
    hidden = (root,)
    with (
        loopback,
        abstract,
        Wall(assignment, USUAL, hidden) as usual,
        Wall(assignment, SHORT, hidden) as short,
    ):
        walls = {"usual": usual, "short": short}
        room = Classroom(world, assignment, release, walls, loopback, abstract)
        folder = room.hand_in("neighbour", None)
        for limits in walls:
            room.honest = _told(room.examine(folder, limits))
        yield room


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, classroom: Classroom) -> None:
    attack = importlib.import_module(f"redteam.attacks.{name}")
    limits = getattr(attack, "LIMITS", "usual")
    refused = getattr(attack, "REFUSED", None)
    folder = classroom.hand_in("attacker", attack)
    for wall in classroom.walls.values():
        wall.start()
    before = classroom.outside()
    for _ in range(2 if getattr(attack, "TWICE", False) else 1):
        begun = time.monotonic()
        if refused is None:
            _assert_graded(attack, classroom.examine(folder, limits), classroom.world)
        else:
            with pytest.raises(SubmissionError) as caught:
                read_submission(folder, classroom.assignment)
            message = str(caught.value)
            assert refused in message
            assert "\n" not in message
            assert len(message) < 500
        assert time.monotonic() - begun < 30
    assert _told(classroom.examine(classroom.world.neighbour, limits)) == classroom.honest
    assert _settled(classroom, before) == before
    assert not classroom.connected()


def _assert_graded(attack: ModuleType, examined: Examined, world: World) -> None:
    earned = {verdict.grade_id: verdict.points for verdict in examined.verdicts}
    lost = set(course.POINTS) if attack.BASE == "untouched" else set(getattr(attack, "COSTS", ()))
    expected = {name: 0.0 if name in lost else points for name, points in course.POINTS.items()}
    assert earned == expected, [verdict.message for verdict in examined.verdicts]
    executed = json.dumps(examined.notebook)
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


def _settled(classroom: Classroom, before: dict[str, object]) -> dict[str, object]:
    """`outside`, once what is being killed is gone."""
    for _ in range(40):
        after = classroom.outside()
        if after["processes"] == before["processes"]:
            break
        time.sleep(0.05)
    return after


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


def _names(folder: str | Path) -> list[str]:
    path = Path(folder)
    return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []


def _fingerprint(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return status.st_mode, status.st_size if content else 0, status.st_mtime_ns, content
