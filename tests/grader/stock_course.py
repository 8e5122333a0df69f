"""A small course graded by stock nbgrader, to compare with: two notebooks, every kind of cell."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import nbgrader.apps.api
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader import utils
from nbgrader.apps import NbGraderAPI
from nbgrader.converters.autograde import Autograde
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from grader.engine.gradebook import Marks
from grader.engine.record import Graded

ASSIGNMENT = "hw"
DUE = "2030-01-01 12:00:00 UTC"


def _metadata(grade_id: str, **kind: Any) -> dict[str, Any]:
    plain = {"grade": False, "locked": False, "solution": False, "task": False}
    return {"nbgrader": {**plain, "grade_id": grade_id, "schema_version": 3, **kind}}


def master() -> nbformat.NotebookNode:
    """One code question with two tests, one written answer, one task."""
    notebook = new_notebook(
        cells=[
            new_code_cell(
                "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION",
                metadata=_metadata("double", solution=True),
            ),
            new_code_cell(
                "assert double(2) == 4",
                metadata=_metadata("test_small", grade=True, locked=True, points=2),
            ),
            new_code_cell(
                "### BEGIN HIDDEN TESTS\nassert double(1000) == 2000\n### END HIDDEN TESTS",
                metadata=_metadata("test_large", grade=True, locked=True, points=3),
            ),
            new_markdown_cell(
                "Your answer", metadata=_metadata("why", grade=True, solution=True, points=4)
            ),
            new_markdown_cell(
                "Say more below.", metadata=_metadata("more", locked=True, task=True, points=5)
            ),
        ]
    )
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return notebook


def answered(
    release: nbformat.NotebookNode, code: str | None, text: str | None = None, more: str = ""
) -> nbformat.NotebookNode:
    """The release as a student hands it in."""
    notebook = nbformat.from_dict(json.loads(nbformat.writes(release)))
    if code is not None:
        notebook.cells[0].source = code
    if text is not None:
        notebook.cells[3].source = text
    if more:
        notebook.cells.append(new_markdown_cell(more))
    return notebook


@dataclasses.dataclass
class StockCourse:
    """A course folder, and nbgrader's commands in it."""

    root: Path
    penalty: str = "zero"

    @property
    def database(self) -> Path:
        return self.root / "gradebook.db"

    @property
    def db_url(self) -> str:
        return f"sqlite:///{self.database}"

    def api(self) -> NbGraderAPI:
        config = Config()
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.db_url = self.db_url
        config.LateSubmissionPlugin.penalty_method = self.penalty
        return NbGraderAPI(config=config)

    def create(self) -> None:
        source = self.root / "source" / ASSIGNMENT
        source.mkdir(parents=True)
        for name in ("one", "two"):
            nbformat.write(master(), source / f"{name}.ipynb")
        (source / "data.txt").write_text("given")
        api = self.api()
        assert api.generate_assignment(ASSIGNMENT)["success"]
        with api.gradebook as gradebook:
            gradebook.update_or_create_assignment(ASSIGNMENT, duedate=DUE)

    def release(self) -> nbformat.NotebookNode:
        return nbformat.read(self.root / "release" / ASSIGNMENT / "one.ipynb", as_version=4)

    def submit(
        self, student: str, notebooks: dict[str, nbformat.NotebookNode], timestamp: str | None
    ) -> None:
        folder = self.root / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True, exist_ok=True)
        for name, notebook in notebooks.items():
            nbformat.write(notebook, folder / f"{name}.ipynb")
        (folder / "data.txt").write_text("changed by the student")
        (folder / "notes.txt").write_text("mine")
        if timestamp is not None:
            (folder / "timestamp.txt").write_text(timestamp)

    def autograde(self, student: str, force: bool = False) -> None:
        # another test of this process may have made nbgrader grade behind the wall
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("ignore", SAWarning)
            patch.setattr(nbgrader.apps.api, "Autograde", Autograde)
            result = self.api().autograde(ASSIGNMENT, student, force=force)
        assert result["success"], result

    def graded(self, student: str, digest: str = "d") -> Graded:
        """What stock nbgrader found, in the form in which we record it."""
        folder = self.root / "autograded" / student / ASSIGNMENT
        submitted = self.root / "submitted" / student / ASSIGNMENT
        notebooks = {path.stem: path.read_bytes() for path in folder.glob("*.ipynb")}
        marks = {}
        for name, text in notebooks.items():
            scores, unanswered = {}, set()
            for cell in nbformat.reads(text.decode(), as_version=4).cells:
                if utils.is_grade(cell):
                    scores[cell.metadata.nbgrader.grade_id] = utils.determine_grade(cell)[0]
                if utils.is_solution(cell) and not utils.is_task(cell):
                    known = cell.metadata.nbgrader
                    if known.get("checksum") == utils.compute_checksum(cell):
                        unanswered.add(known.grade_id)
            marks[name] = Marks(scores, frozenset(unanswered))
        stamp = submitted / "timestamp.txt"
        return Graded(
            student=student,
            digest=digest,
            timestamp=utils.parse_utc(stamp.read_text()) if stamp.exists() else None,
            notebooks=notebooks,
            marks=marks,
            files={
                path.name: path.read_bytes()
                for path in submitted.iterdir()
                if path.suffix != ".ipynb"
            },
        )


def rows(query: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """All that a gradebook says of its submissions, without the random ids, in a fixed order."""
    submitted = (
        "FROM submitted_assignment sa JOIN assignment a ON a.id = sa.assignment_id "
        "JOIN submitted_notebook sn ON sn.assignment_id = sa.id "
        "JOIN notebook n ON n.id = sn.notebook_id"
    )
    queries = {
        "student": "SELECT id, first_name, last_name, email, lms_user_id FROM student",
        "submission": "SELECT a.name, sa.student_id, sa.timestamp, sa.extension FROM "
        "submitted_assignment sa JOIN assignment a ON a.id = sa.assignment_id",
        "notebook": "SELECT a.name, sa.student_id, n.name, sn.flagged, "
        f"sn.late_submission_penalty {submitted}",
        "grade": "SELECT a.name, sa.student_id, n.name, c.name, c.type, g.auto_score, "
        f"g.manual_score, g.extra_credit, g.needs_manual_grade {submitted} "
        "JOIN grade g ON g.notebook_id = sn.id JOIN base_cell c ON c.id = g.cell_id",
        "comment": "SELECT a.name, sa.student_id, n.name, c.name, c.type, m.auto_comment, "
        f"m.manual_comment {submitted} "
        "JOIN comment m ON m.notebook_id = sn.id JOIN base_cell c ON c.id = m.cell_id",
    }
    return {table: sorted(query(sql), key=repr) for table, sql in queries.items()}


def sqlite_rows(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """`rows` of a SQLite gradebook."""
    connection = sqlite3.connect(database)
    try:
        return rows(lambda sql: connection.execute(sql).fetchall())
    finally:
        connection.close()
