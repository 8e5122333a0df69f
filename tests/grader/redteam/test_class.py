"""A class of attackers through `nbgrader autograde`: scores, neighbours and pages hold."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from redteam import course
from redteam.scene import Scene, expected, load, scene

WALL = """
from grader.plugins.autograde import use_wall
use_wall(c)
c.GenerateFeedback.exporter_class = "grader.feedback.exporter.FeedbackExporter"
c.WalledAutograde.limits = {"cell_seconds": 1.0, "check_seconds": 0.6, "memory_mb": 512}
"""
STUDENTS = {  # their names are what student ids may be
    "metadata_tags": "an attacker",
    "metadata_points": "$(touch x)",
    "stale_outputs": "[a-z]*",
    "exit_process": "Ärger",
    "identity_claimed": "o'neil",
    "write_course": "-rf",
    "background_process": "a&b;c",
    "endless_swallowing": "100%",
    "hostile_html": "<b>bold",
    "links_beside": "a.b+c@d",
    "test_pasted_twice": "twice",
    "solution_split": "split",
    "link_to_gradebook": "link",
    "link_to_folder": "folder",
    "notebook_is_folder": "directory",
    "truncated": "half",
    "deep_json": "deep",
    "printed_surrogates": "surrogates",
    "forged_huge_complex": "huge complex",
}
NEIGHBOURS = ("0 first", "m middle", "zz last")


@dataclass
class Graded:
    scene: Scene
    said: str
    before: dict[str, object]
    after: dict[str, object]

    def scores(self, student: str) -> dict[str, float]:
        with closing(sqlite3.connect(self.scene.world.course / "gradebook.db")) as database:
            rows = database.execute(
                "SELECT c.name, g.auto_score FROM grade g "
                "JOIN base_cell c ON c.id = g.cell_id "
                "JOIN submitted_notebook n ON n.id = g.notebook_id "
                "JOIN submitted_assignment a ON a.id = n.assignment_id "
                "WHERE a.student_id = ?",
                (student,),
            )
            return dict(rows.fetchall())

    def file(self, step: str, student: str, suffix: str) -> bytes:
        name = f"{course.NOTEBOOK}.{suffix}"
        path = self.scene.world.course / step / student / course.ASSIGNMENT / name
        return path.read_bytes()


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graded]:
    with scene(tmp_path_factory.mktemp("class")) as set_up:
        (set_up.world.course / "nbgrader_config.py").write_text(course.CONFIG + WALL)
        for name, student in STUDENTS.items():
            set_up.hand_in(student, load(name))
        for student in ("neighbour", *NEIGHBOURS):
            set_up.hand_in(student)
        kept = ("autograded", "feedback", "gradebook.db")
        before = set_up.files(*kept)
        said = _nbgrader(set_up, "autograde") + _nbgrader(set_up, "generate_feedback")
        yield Graded(set_up, said, before, set_up.files(*kept))


def _nbgrader(set_up: Scene, command: str) -> str:
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", command, course.ASSIGNMENT],
        cwd=set_up.world.course,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", STUDENTS)
def test_the_score_is_the_score_without_the_attack(name: str, graded: Graded) -> None:
    attack, student = load(name), STUDENTS[name]
    if hasattr(attack, "REFUSED"):
        assert not any(graded.scores(student).values())
        assert f"{student}: " in graded.said
        assert attack.REFUSED in graded.said
    else:
        assert graded.scores(student) == expected(attack)


@pytest.mark.parametrize("student", NEIGHBOURS)
def test_neighbours_get_what_is_theirs(student: str, graded: Graded) -> None:
    assert graded.scores(student) == course.POINTS
    for step, suffix in (("autograded", "ipynb"), ("feedback", "html")):
        first = graded.file(step, NEIGHBOURS[0], suffix)
        assert graded.file(step, student, suffix) == first


def test_nothing_else_changed(graded: Graded) -> None:
    assert graded.after == graded.before
    assert not graded.scene.connected()


def test_no_page_shows_a_secret(graded: Graded) -> None:
    world = graded.scene.world
    for step in ("autograded", "feedback"):
        for path in filter(Path.is_file, (world.course / step).rglob("*")):
            text = path.read_text()
            for secret in (*course.SECRETS, f"canary {world.mark}", f"secret {world.mark}"):
                assert secret not in text, path
            assert path.suffix != ".html" or f"<script>{world.mark}" not in text, path
