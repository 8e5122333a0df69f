"""nbgrader's gradebook, written a submission at a time.

The tables are nbgrader's own (`nbgrader.api`) and the rows are those that `nbgrader autograde`
leaves. It leaves them in a transaction for every cell; here it is one for a submission, so that a
run which is killed leaves a submission's rows as they were or as they should be, and so that
several graders and formgrader share one gradebook without waiting long.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from nbgrader import api

T = TypeVar("T")

ASSIGNMENT: sa.Table = api.Assignment.__table__
NOTEBOOK: sa.Table = api.Notebook.__table__
CELL: sa.Table = api.BaseCell.__table__
GRADE_CELL: sa.Table = api.GradeCell.__table__
TASK_CELL: sa.Table = api.TaskCell.__table__
STUDENT: sa.Table = api.Student.__table__
SUBMISSION: sa.Table = api.SubmittedAssignment.__table__
SUBMITTED: sa.Table = api.SubmittedNotebook.__table__
GRADE: sa.Table = api.Grade.__table__
COMMENT: sa.Table = api.Comment.__table__

Penalty = Callable[[str, float, float], float | None]
"""(student id, score, seconds late) -> points to take off, or None (nbgrader's late policy)."""


class GradebookError(Exception):
    """The gradebook lacks something that only the course's staff can add."""


class GradebookGoneError(GradebookError):
    """The database could not be reached, or not be written, for as long as we were to wait."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What examining one notebook says about its cells.

    scores: points for each graded cell in the notebook, None where a person has to grade it.
    unanswered: the answer cells that are as they were handed out.
    changed: the tasks whose written answer differs from the one that was graded before.
    """

    scores: Mapping[str, float | None]
    unanswered: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


@dataclass(slots=True)
class Sheet:
    """One student's standing in one notebook, as the feedback page shows it.

    scores: score and most points by grade_id. waiting: the written answers nobody has graded yet.
    """

    score: float = 0.0
    max_score: float = 0.0
    late_penalty: float = 0.0
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)
    comments: dict[str, str | None] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Cell:
    id: str
    name: str
    graded: bool
    task: bool
    max_score: float

    @property
    def commented(self) -> bool:
        return self.task or not self.graded


def no_penalty(student: str, score: float, seconds_late: float) -> float | None:
    """Being late costs nothing."""
    return None


class Gradebook:
    """One assignment's rows in nbgrader's gradebook.

    db_url: `CourseDirectory.db_url`, SQLite or PostgreSQL.
    penalty: the course's late policy.
    patience: seconds for which a database that does not answer is tried again.
    waiting: is told, once for each failed attempt, what went wrong.

    Raises GradebookError where the gradebook does not know the assignment or cannot be read, and
    GradebookGoneError where it does not answer.
    """

    def __init__(
        self,
        db_url: str,
        assignment: str,
        *,
        penalty: Penalty = no_penalty,
        patience: float = 60.0,
        waiting: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.assignment = assignment
        self._penalty = penalty
        self._patience = patience
        self._waiting = waiting
        self._recorded: dict[str, dt.datetime | None] = {}
        try:
            url = sa.make_url(db_url)
            self._engine = _engine(url, min(patience, 5.0))
        except (sa.exc.ArgumentError, ImportError) as error:
            raise GradebookError(
                f"CourseDirectory.db_url names no database that can be opened ({error})"
            ) from error
        if _is_sqlite(url) and not os.path.exists(url.database or ""):
            raise GradebookError(f"there is no {url.database}; {_unknown(assignment)}")
        self._transact(self._read_assignment)
        # nbgrader's indexes on grades and comments begin with the cell: a query that does not name
        # the cells reads the whole table, which in a class of 10,000 holds 700,000 rows.
        self._ids = [cell.id for cells in self._cells.values() for cell in cells]

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def max_score(self) -> float:
        """Points of the assignment, by the tests and by hand."""
        return sum(cell.max_score for cells in self._cells.values() for cell in cells)

    def recorded(self, student: str, timestamp: dt.datetime | None) -> bool:
        """Whether it holds the student's submission, of this time if one is given.

        A gradebook that was lost does not; one from a backup may hold the submission before it.
        """
        if not self._recorded:
            self._recorded = self._timestamps()
        if student not in self._recorded or timestamp not in (None, self._recorded[student]):
            self._recorded |= self._timestamps(SUBMISSION.c.student_id == student)
        return student in self._recorded and timestamp in (None, self._recorded[student])

    def has_student(self, student: str) -> bool:
        """Whether the gradebook knows the student."""
        query = sa.select(STUDENT.c.id).where(STUDENT.c.id == student)
        return self._transact(lambda db: db.execute(query).first()) is not None

    def duedate(self) -> dt.datetime | None:
        """When the assignment is due (UTC, naive), without anybody's extension."""
        query = sa.select(ASSIGNMENT.c.duedate).where(ASSIGNMENT.c.id == self._assignment_id)
        return self._transact(lambda db: db.execute(query).scalar())

    # -- writing

    def record(
        self, student: str, notebooks: Mapping[str, Marks], timestamp: dt.datetime | None
    ) -> float:
        """Write what one submission earned, in one transaction; return its score, penalty off.

        notebooks: marks by notebook name; a notebook of the assignment that is not among them was
        not submitted, and counts 0.
        timestamp: when it was submitted (UTC, naive), or None where nobody wrote it down.
        """
        return self._transact(lambda db: self._record(db, student, notebooks, timestamp))

    def manually_graded(self, student: str) -> dict[str, set[str]]:
        """Names of the tasks that a person has graded, by notebook."""
        query = (
            sa.select(NOTEBOOK.c.name.label("notebook"), CELL.c.name)
            .select_from(SUBMISSION)
            .join(SUBMITTED, SUBMITTED.c.assignment_id == SUBMISSION.c.id)
            .join(NOTEBOOK, NOTEBOOK.c.id == SUBMITTED.c.notebook_id)
            .join(GRADE, GRADE.c.notebook_id == SUBMITTED.c.id)
            .join(TASK_CELL, TASK_CELL.c.id == GRADE.c.cell_id)
            .join(CELL, CELL.c.id == GRADE.c.cell_id)
            .where(
                SUBMISSION.c.assignment_id == self._assignment_id,
                SUBMISSION.c.student_id == student,
                SUBMITTED.c.notebook_id.in_(self.notebooks.values()),
                GRADE.c.cell_id.in_(self._ids),
                GRADE.c.manual_score.is_not(None),
            )
        )
        found: dict[str, set[str]] = {}
        for row in self._transact(lambda db: db.execute(query).all()):
            found.setdefault(row.notebook, set()).add(row.name)
        return found

    def refresh_penalties(self) -> int:
        """Recompute every late penalty from the scores as they are now, manual ones included.

        nbgrader computes a penalty when it autogrades and never again, so that "zero for late work"
        leaves the points that a person gives afterwards. Returns how many penalties changed.
        """
        return self._transact(self._refresh_penalties)

    # -- reading

    def sheets(self, students: Collection[str]) -> dict[str, dict[str, Sheet]]:
        """The students' standing, by student and notebook name; who submitted nothing is left out.

        For a class of thousands call it with some hundred at a time.
        """
        return self._transact(lambda db: self._sheets(db, students))

    # -- inside

    def _timestamps(self, *which: sa.ColumnElement[bool]) -> dict[str, dt.datetime | None]:
        """When the submissions were handed in, by student."""
        query = sa.select(SUBMISSION.c.student_id, SUBMISSION.c.timestamp).where(
            SUBMISSION.c.assignment_id == self._assignment_id, *which
        )
        rows = self._transact(lambda db: db.execute(query).all())
        return {row.student_id: row.timestamp for row in rows}

    def _record(
        self,
        db: sa.Connection,
        student: str,
        notebooks: Mapping[str, Marks],
        timestamp: dt.datetime | None,
    ) -> float:
        submission_id = self._submission(db, student, timestamp)
        late = self._seconds_late(db, submission_id)
        submitted = {
            row.notebook_id: row
            for row in db.execute(
                sa.select(SUBMITTED).where(
                    SUBMITTED.c.notebook_id.in_(self.notebooks.values()),
                    SUBMITTED.c.assignment_id == submission_id,
                )
            )
        }
        total = 0.0
        for name, master_id in self.notebooks.items():
            row = submitted.get(master_id)
            notebook_id = row.id if row is not None else api.new_uuid()
            if row is None:
                db.execute(
                    sa.insert(SUBMITTED).values(
                        id=notebook_id, assignment_id=submission_id, notebook_id=master_id
                    )
                )
            marks = notebooks.get(name)
            score = self._write_grades(db, notebook_id, self._cells[name], marks)
            penalty = None
            self._write_comments(db, notebook_id, self._cells[name], marks)
            if marks is not None:
                penalty = self._late_penalty(student, score, late)
            if penalty != (row.late_submission_penalty if row is not None else None):
                db.execute(
                    sa.update(SUBMITTED)
                    .where(SUBMITTED.c.id == notebook_id)
                    .values(late_submission_penalty=penalty)
                )
            total += score - (penalty or 0.0)
        return total

    def _submission(self, db: sa.Connection, student: str, timestamp: dt.datetime | None) -> str:
        row = db.execute(
            sa.select(SUBMISSION.c.id, SUBMISSION.c.timestamp).where(
                SUBMISSION.c.assignment_id == self._assignment_id,
                SUBMISSION.c.student_id == student,
            )
        ).first()
        if row is None:
            if db.execute(sa.select(STUDENT.c.id).where(STUDENT.c.id == student)).first() is None:
                db.execute(sa.insert(STUDENT).values(id=student))
            submission_id = api.new_uuid()
            db.execute(
                sa.insert(SUBMISSION).values(
                    id=submission_id,
                    assignment_id=self._assignment_id,
                    student_id=student,
                    timestamp=timestamp,
                )
            )
            return str(submission_id)
        if timestamp is not None and row.timestamp != timestamp:
            db.execute(
                sa.update(SUBMISSION).where(SUBMISSION.c.id == row.id).values(timestamp=timestamp)
            )
        return str(row.id)

    def _write_grades(
        self, db: sa.Connection, notebook_id: str, cells: list[_Cell], marks: Marks | None
    ) -> float:
        """Write one notebook's grades and return its score; no marks: it was not submitted."""
        old = {
            row.cell_id: row
            for row in db.execute(
                sa.select(GRADE).where(
                    GRADE.c.cell_id.in_([cell.id for cell in cells if cell.graded]),
                    GRADE.c.notebook_id == notebook_id,
                )
            )
        }
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        score = 0.0
        for cell in cells:
            if not cell.graded:
                continue
            row = old.get(cell.id)
            auto, manual, extra, needs = (
                (None, None, None, True)
                if row is None
                else (row.auto_score, row.manual_score, row.extra_credit, row.needs_manual_grade)
            )
            was = (auto, needs)
            if marks is None:
                auto, needs = 0.0, False
            elif cell.task:
                needs = needs or cell.name in marks.changed
            elif cell.name in marks.scores:
                auto = marks.scores[cell.name]
                needs = manual is not None or auto is None
            if row is None:
                new.append(
                    {
                        "id": api.new_uuid(),
                        "notebook_id": notebook_id,
                        "cell_id": cell.id,
                        "auto_score": auto,
                        "needs_manual_grade": needs,
                    }
                )
            elif was != (auto, needs):
                changed.append({"row": row.id, "auto": auto, "needs": needs})
            score += _score(auto, manual, extra)
        if new:
            db.execute(sa.insert(GRADE), new)
        if changed:
            db.execute(
                sa.update(GRADE)
                .where(GRADE.c.id == sa.bindparam("row"))
                .values(auto_score=sa.bindparam("auto"), needs_manual_grade=sa.bindparam("needs")),
                changed,
            )
        return score

    def _write_comments(
        self, db: sa.Connection, notebook_id: str, cells: list[_Cell], marks: Marks | None
    ) -> None:
        old = {
            row.cell_id: row
            for row in db.execute(
                sa.select(COMMENT.c.id, COMMENT.c.cell_id, COMMENT.c.auto_comment).where(
                    COMMENT.c.cell_id.in_([cell.id for cell in cells if cell.commented]),
                    COMMENT.c.notebook_id == notebook_id,
                )
            )
        }
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for cell in cells:
            if not cell.commented:
                continue
            row = old.get(cell.id)
            text = "No response." if marks and cell.name in marks.unanswered else None
            if row is None:
                new.append(
                    {
                        "id": api.new_uuid(),
                        "notebook_id": notebook_id,
                        "cell_id": cell.id,
                        "auto_comment": text,
                    }
                )
            elif marks and row.auto_comment != text:
                changed.append({"row": row.id, "text": text})
        if new:
            db.execute(sa.insert(COMMENT), new)
        if changed:
            db.execute(
                sa.update(COMMENT)
                .where(COMMENT.c.id == sa.bindparam("row"))
                .values(auto_comment=sa.bindparam("text")),
                changed,
            )

    def _seconds_late(self, db: sa.Connection, submission_id: str) -> float:
        row = db.execute(
            sa.select(SUBMISSION.c.timestamp, SUBMISSION.c.extension, ASSIGNMENT.c.duedate)
            .join(ASSIGNMENT, ASSIGNMENT.c.id == SUBMISSION.c.assignment_id)
            .where(SUBMISSION.c.id == submission_id)
        ).one()
        return _seconds_late(row.timestamp, row.duedate, row.extension)

    def _late_penalty(self, student: str, score: float, seconds_late: float) -> float | None:
        if seconds_late <= 0:
            return None
        penalty = self._penalty(student, score, seconds_late)
        return None if penalty is None else min(max(penalty, 0.0), score)

    def _refresh_penalties(self, db: sa.Connection) -> int:
        score = (
            sa.select(sa.func.coalesce(sa.func.sum(_SCORE), 0.0))
            .where(GRADE.c.cell_id.in_(self._ids), GRADE.c.notebook_id == SUBMITTED.c.id)
            .scalar_subquery()
        )
        rows = db.execute(
            sa.select(
                SUBMITTED.c.id,
                SUBMITTED.c.late_submission_penalty,
                SUBMISSION.c.student_id,
                SUBMISSION.c.timestamp,
                SUBMISSION.c.extension,
                ASSIGNMENT.c.duedate,
                score.label("score"),
            )
            .join(SUBMISSION, SUBMISSION.c.id == SUBMITTED.c.assignment_id)
            .join(ASSIGNMENT, ASSIGNMENT.c.id == SUBMISSION.c.assignment_id)
            .where(ASSIGNMENT.c.id == self._assignment_id)
        ).all()
        changed = []
        for row in rows:
            late = _seconds_late(row.timestamp, row.duedate, row.extension)
            penalty = self._late_penalty(row.student_id, row.score, late)
            if (penalty or 0.0) != (row.late_submission_penalty or 0.0):
                changed.append({"row": row.id, "penalty": penalty})
        if changed:
            db.execute(
                sa.update(SUBMITTED)
                .where(SUBMITTED.c.id == sa.bindparam("row"))
                .values(late_submission_penalty=sa.bindparam("penalty")),
                changed,
            )
        return len(changed)

    def _sheets(self, db: sa.Connection, students: Collection[str]) -> dict[str, dict[str, Sheet]]:
        names = {id: name for name, id in self.notebooks.items()}
        cells = {cell.id: cell for rows in self._cells.values() for cell in rows}
        most = {n: sum(cell.max_score for cell in rows) for n, rows in self._cells.items()}
        submitted: dict[str, Sheet] = {}
        found: dict[str, dict[str, Sheet]] = {}
        for row in db.execute(
            sa.select(SUBMITTED, SUBMISSION.c.student_id)
            .join(SUBMISSION, SUBMISSION.c.id == SUBMITTED.c.assignment_id)
            .where(
                SUBMISSION.c.assignment_id == self._assignment_id,
                SUBMITTED.c.notebook_id.in_(names),
                SUBMISSION.c.student_id.in_(students),
            )
        ):
            name = names[row.notebook_id]
            penalty = row.late_submission_penalty or 0.0
            sheet = Sheet(score=-penalty, max_score=most[name], late_penalty=penalty)
            submitted[row.id] = sheet
            found.setdefault(row.student_id, {})[name] = sheet
        for row in db.execute(sa.select(GRADE).where(_of(GRADE, self._ids, submitted))):
            cell, sheet = cells[row.cell_id], submitted[row.notebook_id]
            score = _score(row.auto_score, row.manual_score, row.extra_credit)
            sheet.scores[cell.name] = (score, cell.max_score)
            sheet.score += score
            if row.auto_score is None and row.manual_score is None:
                sheet.waiting.append(cell.name)
        for row in db.execute(sa.select(COMMENT).where(_of(COMMENT, self._ids, submitted))):
            text = row.auto_comment if row.manual_comment is None else row.manual_comment
            submitted[row.notebook_id].comments[cells[row.cell_id].name] = text
        for sheet in submitted.values():
            sheet.waiting.sort()  # pages are compared by what they are made from
        return found

    def _read_assignment(self, db: sa.Connection) -> None:
        row = None
        if sa.inspect(db).has_table(ASSIGNMENT.name):
            query = sa.select(ASSIGNMENT.c.id).where(ASSIGNMENT.c.name == self.assignment)
            row = db.execute(query).first()
        if row is None:
            raise GradebookError(_unknown(self.assignment))
        self._assignment_id: str = row.id
        self.notebooks = self._master_notebooks(db)
        self._cells = {name: self._master_cells(db, id) for name, id in self.notebooks.items()}

    def _master_notebooks(self, db: sa.Connection) -> dict[str, str]:
        rows = db.execute(
            sa.select(NOTEBOOK.c.name, NOTEBOOK.c.id)
            .where(NOTEBOOK.c.assignment_id == self._assignment_id)
            .order_by(NOTEBOOK.c.name)
        )
        return {row.name: row.id for row in rows}

    def _master_cells(self, db: sa.Connection, notebook_id: str) -> list[_Cell]:
        points = sa.func.coalesce(GRADE_CELL.c.max_score, TASK_CELL.c.max_score, 0.0)
        rows = db.execute(
            sa.select(CELL.c.id, CELL.c.name, CELL.c.type, points.label("points"))
            .outerjoin(GRADE_CELL, GRADE_CELL.c.id == CELL.c.id)
            .outerjoin(TASK_CELL, TASK_CELL.c.id == CELL.c.id)
            .where(CELL.c.notebook_id == notebook_id)
        )
        return [
            _Cell(
                id=row.id,
                name=row.name,
                graded=row.type in ("GradeCell", "TaskCell"),
                task=row.type == "TaskCell",
                max_score=row.points,
            )
            for row in rows
        ]

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Do the work in one transaction, patiently."""

        def once() -> T:
            with self._engine.begin() as db:
                return work(db)

        return self.patiently(once)

    def patiently(self, work: Callable[[], T]) -> T:
        """Do the work; if the database goes away, wait and do it all again.

        IntegrityError is among the reasons: on PostgreSQL two graders may add the same student at
        the same moment, and the second one finds the row when it tries again.
        Raises GradebookGoneError where it stays away, GradebookError where it is broken.
        """
        give_up = time.monotonic() + self._patience
        pause = 0.1
        while True:
            try:
                return work()
            except (sa.exc.OperationalError, sa.exc.IntegrityError, sa.exc.InterfaceError) as error:
                reason = _reason(error)
                # A connection may be to a file that is another one by now.
                self._engine.dispose()
                if time.monotonic() + pause > give_up:
                    raise GradebookGoneError(
                        f"the gradebook of {self.assignment} cannot be written ({reason}): "
                        "see that the database is up and its disk has room, then run the same "
                        "command again; it goes on where it stopped"
                    ) from error
                self._waiting(f"the gradebook does not answer ({reason}); trying again")
            except sa.exc.DBAPIError as error:
                raise GradebookError(
                    f"the gradebook of {self.assignment} is broken ({_reason(error)}): put a "
                    "backup in its place, then run the same command again"
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, 5.0)


_SCORE = sa.case(
    (GRADE.c.manual_score.is_not(None), GRADE.c.manual_score),
    (GRADE.c.auto_score.is_not(None), GRADE.c.auto_score),
    else_=0.0,
) + sa.case(
    (
        sa.or_(GRADE.c.manual_score.is_not(None), GRADE.c.auto_score.is_not(None)),
        sa.func.coalesce(GRADE.c.extra_credit, 0.0),
    ),
    else_=0.0,
)


def _of(
    table: sa.Table, cells: Collection[str], notebooks: Collection[str]
) -> sa.ColumnElement[bool]:
    """The rows of these cells in these submitted notebooks."""
    return sa.and_(table.c.cell_id.in_(cells), table.c.notebook_id.in_(notebooks))


def _score(auto: float | None, manual: float | None, extra: float | None) -> float:
    """nbgrader's rule for the score of a cell (`nbgrader.api.Grade.score`)."""
    given = auto if manual is None else manual
    return 0.0 if given is None else given + (extra or 0.0)


def _seconds_late(
    timestamp: dt.datetime | None, duedate: dt.datetime | None, extension: dt.timedelta | None
) -> float:
    if timestamp is None or duedate is None:
        return 0.0
    return max(0.0, (timestamp - duedate - (extension or dt.timedelta())).total_seconds())


def _unknown(assignment: str) -> str:
    return (
        f"the gradebook does not know the assignment {assignment!r}: run "
        f"`nbgrader generate_assignment {assignment}` first"
    )


def _reason(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _engine(url: sa.URL, patience: float) -> sa.Engine:
    """patience: seconds for which SQLite waits for another writer before it says so."""
    if not _is_sqlite(url):
        return sa.create_engine(url, pool_pre_ping=True)
    # Opened to read and write, and never made: a gradebook that is gone is no empty one.
    file = f"file:{quote(os.path.abspath(url.database or ''))}"
    writable = url.set(database=file, query={**url.query, "uri": "true", "mode": "rw"})
    # Left to itself, sqlite3 reads outside a transaction and begins one at the first write, which
    # two writers turn into a deadlock. Taking the write lock at once makes them queue.
    engine = sa.create_engine(writable, connect_args={"timeout": patience})

    @sa.event.listens_for(engine, "connect")
    def manual(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        if connection.execute("PRAGMA journal_mode").fetchone() == ("delete",):
            # The rollback journal is emptied, not removed: one wait for the disk less.
            connection.execute("PRAGMA journal_mode = TRUNCATE")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
