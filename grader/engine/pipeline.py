"""A whole class: read, examine on the engine, record, make the feedback.

The driver reads and records, in one process; workers examine and make pages. What is graded
already is known by a hash of submission and assignment. Any number of runs may be at work on one
course: each claims a submission's folder while it grades it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from grader.course.assignment import Assignment
from grader.engine.engine import Done, Engine, Lost
from grader.engine.events import (
    Event,
    Failed,
    Found,
    PageMade,
    Recorded,
    Skipped,
    Tick,
    Waiting,
)
from grader.engine.record import Graded, Recorder, digest_of
from grader.engine.worker import Examination, ExamineTask, Master, PagesTask, examine, make_pages
from grader.feedback.page import is_current, page_digest, write_pages
from grader.submissions import folders, intake
from grader.submissions.intake import Contents, Intake
from grader.submissions.submission import SubmissionError

SHEETS_AT_ONCE = 200
PAGES_AT_ONCE = 20


class StoppedError(Exception):
    """The run cannot go on; what it recorded is recorded. The message says what to do."""


@dataclass(frozen=True)
class Course:
    """One assignment of a course, as nbgrader's configuration describes it.

    assignments: its notebooks. masters: the same, packed for workers, by notebook. submitted,
    autograded, feedback: a student's folders. seed: a student's secret seed for hidden inputs.
    admits: whether a student may be graded (`Autograde.create_student`).
    shown: sources that feedback shows from now on in place of the graded cells', by notebook and
    grade_id.
    page_mode, group_shared: permissions of the feedback.
    """

    assignments: Sequence[Assignment]
    masters: Mapping[str, Master]
    submitted: Callable[[str], Path]
    autograded: Callable[[str], Path]
    feedback: Callable[[str], Path]
    seed: Callable[[str], int]
    admits: Callable[[str], bool] = lambda student: True
    shown: Callable[[], Mapping[str, Mapping[str, str]]] = dict
    page_mode: int = 0o644
    group_shared: bool = False


@dataclass
class _Claim:
    """A submission under way: its folder is kept from other runs until it is recorded."""

    lock: contextlib.ExitStack
    intake: Intake
    digest: str


class ClassRun:
    """Grades a class and makes its feedback; tells `report` of everything as it happens."""

    def __init__(
        self,
        course: Course,
        recorder: Recorder,
        engine: Engine,
        report: Callable[[Event], None],
        examine: Callable[[ExamineTask], Examination] = examine,
    ) -> None:
        self._course = course
        self._recorder = recorder
        self._engine = engine
        self._report = report
        self._examine = examine
        self._claims: dict[str, _Claim] = {}
        self._busy: list[str] = []
        self._trouble = ""

    def grade(self, students: Sequence[str], force: bool = False) -> None:
        """Grade the students' submissions that are not graded yet; `force`: all of them.

        Raises StoppedError where nothing more can be written (a full or read-only disk),
        GradebookGoneError where the gradebook stays away, and WallUnavailableError.
        """
        self._report(Found("grading", len(students)))
        while students:
            self._busy = []
            self._grade(students, force)
            students, force = self._busy, False  # by another run, by now
            if students:
                time.sleep(0.2)

    def make_feedback(self, students: Sequence[str], force: bool = False) -> None:
        """Make the feedback that is not there, or whose grades or comments changed since.

        Raises StoppedError, GradebookGoneError.
        """
        gradebook = self._recorder.gradebook
        gradebook.refresh_penalties()
        self._report(Found("feedback", len(students)))
        for outcome in self._engine.run(make_pages, self._pages(students, force), self._idle):
            self._settle_pages(outcome)

    def follow(
        self,
        rounds: Iterable[Iterable[str]],
        done: Callable[[str], None],
        feedback: bool = True,
    ) -> None:
        """Grade the students of each round, and make their feedback, while the next rounds come.

        rounds: the next one is taken whenever workers are free; it may be empty. A student is not
        in another round before `done` was told that the run has finished with this one.
        Raises as `grade` and `make_feedback` do.
        """
        graded: list[str] = []
        tasks = self._stream(rounds, graded, done, feedback)
        try:
            outcomes: Iterator[Done[Any, Any] | Lost[Any]]
            outcomes = self._engine.run(partial(_work, self._examine), tasks, self._idle)
            for outcome in outcomes:
                if isinstance(outcome.task, PagesTask):
                    self._settle_pages(outcome)
                    done(outcome.task.student)
                else:
                    self._settle(outcome)
                    graded.append(outcome.task.student)
        finally:
            self._release_claims()

    def would_grade(self, students: Iterable[str], force: bool = False) -> Iterator[Event]:
        """What `grade` would do, without doing any of it: Skipped, Failed, or Recorded with 0."""
        for student in students:
            folder = self._course.submitted(student)
            try:
                contents = intake.read_contents(folder, self._course.assignments)
                digest = digest_of(contents.digest, self._course.assignments)
                if self._recorder.done(student) == digest and not force:
                    yield Skipped(student)
                    continue
                intake.take_in(folder, contents, self._course.assignments)
            except (SubmissionError, OSError) as error:
                yield Failed(student, _unread(error))
            else:
                yield Recorded(student, 0.0)

    def _idle(self) -> None:
        """Say that the run is alive, and once why it does not get on."""
        self._report(Tick())
        trouble = self._engine.trouble()
        if trouble and trouble != self._trouble:
            self._report(Waiting(trouble))
        self._trouble = trouble

    # -- grading

    def _grade(self, students: Iterable[str], force: bool) -> None:
        try:
            tasks = self._tasks(students, force)
            for outcome in self._engine.run(self._examine, tasks, self._idle):
                self._settle(outcome)
        finally:
            self._release_claims()

    def _settle(self, outcome: Done[Any, Any] | Lost[Any]) -> None:
        """Record what came of an ExamineTask."""
        claim = self._claims.pop(outcome.task.student)
        with claim.lock:
            if isinstance(outcome, Done):
                self._record(outcome.task.student, claim, outcome.result)
            else:
                self._report(Failed(outcome.task.student, _lost(outcome.reason)))

    def _release_claims(self) -> None:
        for claim in self._claims.values():
            claim.lock.close()
        self._claims.clear()

    def _tasks(self, students: Iterable[str], force: bool) -> Iterator[ExamineTask]:
        """What has to be examined; the rest is dealt with on the way."""
        for student in students:
            with contextlib.ExitStack() as lock:
                try:
                    lock.enter_context(folders.claimed(self._course.submitted(student)))
                    task = self._take(student, force, lock)
                except folders.BusyError:
                    self._busy.append(student)
                except (SubmissionError, OSError) as error:
                    self._report(Failed(student, _unread(error)))
                else:
                    if task is not None:
                        yield task

    def _take(self, student: str, force: bool, lock: contextlib.ExitStack) -> ExamineTask | None:
        """Read a submission and keep it claimed; None where nothing has to be examined."""
        course = self._course
        folder = course.submitted(student)
        contents = intake.read_contents(folder, course.assignments)
        if not force and self._known(student, contents):
            return None
        if not course.admits(student):
            raise SubmissionError("is not in the gradebook: `nbgrader db student add` first")
        taken = intake.take_in(folder, contents, course.assignments)
        digest = digest_of(taken.digest, course.assignments)
        self._claims[student] = _Claim(lock.pop_all(), taken, digest)
        seed = course.seed(student)
        return ExamineTask(
            student,
            tuple((course.masters[name], part, seed) for name, part in taken.submissions.items()),
        )

    def _known(self, student: str, contents: Contents) -> bool:
        """Whether this very submission was graded, or examined by a run that was then killed."""
        digest = digest_of(contents.digest, self._course.assignments)
        try:
            score = self._recorder.resume(student, digest)
        except OSError as error:
            raise StoppedError(_cannot_write(error)) from error
        if score is not None:
            self._report(Recorded(student, score, resumed=True))
            return True
        if self._recorder.done(student) == digest:
            self._report(Skipped(student))
            return True
        return False

    def _record(self, student: str, claim: _Claim, examination: Examination) -> None:
        graded = Graded(
            student=student,
            digest=claim.digest,
            timestamp=claim.intake.timestamp,
            notebooks=examination.notebooks,
            marks=examination.marks,
            files=claim.intake.files,
        )
        try:
            score = self._recorder.record(graded)
        except OSError as error:
            raise StoppedError(_cannot_write(error)) from error
        self._report(
            Recorded(
                student,
                score,
                examination.seconds,
                examination.cells,
                examination.timed_out,
                examination.notes,
                examination.printed,
            )
        )

    def _stream(
        self,
        rounds: Iterable[Iterable[str]],
        graded: list[str],
        done: Callable[[str], None],
        feedback: bool,
    ) -> Iterator[ExamineTask | PagesTask | None]:
        """Both kinds of tasks, as they come up; None between the rounds."""
        for students in rounds:
            busy, self._busy = self._busy, []
            for student in chain(busy, students):
                tasks = list(self._tasks([student], force=False))
                yield from tasks
                if not tasks and student not in self._busy:
                    graded.append(student)
                if len(graded) >= PAGES_AT_ONCE:
                    yield from self._finish(graded, done, feedback)
            yield from self._finish(graded, done, feedback)
            yield None

    def _finish(
        self, graded: list[str], done: Callable[[str], None], feedback: bool
    ) -> Iterator[PagesTask]:
        """The pages of those who are graded; who needs none is done."""
        students = graded.copy()
        graded.clear()
        if students and feedback:
            self._recorder.gradebook.refresh_penalties()
            for task in self._pages(students.copy(), force=False):
                students.remove(task.student)
                yield task
        for student in students:
            done(student)

    # -- feedback

    def _pages(self, students: Iterable[str], force: bool) -> Iterator[PagesTask]:
        """The pages that have to be made."""
        course, rest = self._course, iter(students)
        while group := list(islice(rest, SHEETS_AT_ONCE)):
            sheets, shown = self._recorder.gradebook.sheets(group), course.shown()
            for student in group:
                place, autograded = course.feedback(student), course.autograded(student)
                mine = {
                    name: sheet
                    for name, sheet in sheets.get(student, {}).items()
                    if (autograded / f"{name}.ipynb").exists()
                }
                digest = page_digest(autograded, mine, shown) if mine else ""
                if not mine or (not force and is_current(place, digest)):
                    folders.tidy(place)
                    self._report(PageMade(student, fresh=False))
                    continue
                parts = tuple(
                    (name, (autograded / f"{name}.ipynb").read_bytes(), sheet)
                    for name, sheet in mine.items()
                )
                yield PagesTask(student, digest, parts, shown)

    def _settle_pages(self, outcome: Done[Any, Any] | Lost[Any]) -> None:
        """Write what came of a PagesTask."""
        student = outcome.task.student
        if isinstance(outcome, Done):
            fresh = self._write_pages(outcome.task, outcome.result)
            self._report(PageMade(student, fresh))
        else:
            self._report(Failed(student, f"no feedback was made: {outcome.reason}"))

    def _write_pages(self, task: PagesTask, pages: Mapping[str, bytes]) -> bool:
        """Write a student's pages; False where another run does so at this moment."""
        course, student = self._course, task.student
        autograded = course.autograded(student)
        try:
            with folders.claimed(autograded):
                write_pages(
                    course.feedback(student),
                    autograded,
                    pages,
                    task.digest,
                    mode=course.page_mode,
                    group_shared=course.group_shared,
                )
        except folders.BusyError:
            return False
        except OSError as error:
            raise StoppedError(_cannot_write(error)) from error
        return True


def _unread(error: SubmissionError | OSError) -> str:
    """Why a submission is left as it is."""
    if isinstance(error, OSError):
        return f"{error.filename} cannot be read ({error.strerror}); no grade changed"
    return str(error)


def _work(
    examine: Callable[[ExamineTask], Examination], task: ExamineTask | PagesTask
) -> Examination | Mapping[str, bytes]:
    return make_pages(task) if isinstance(task, PagesTask) else examine(task)


def _cannot_write(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    return (
        f"cannot write{where} ({error.strerror or error}): make room, or make the folder writable, "
        "then run the same command again; it goes on where it stopped"
    )


def _lost(reason: str) -> str:
    return f"{reason}; tried three times. Look at it by hand, or run the same command again"
