"""nbgrader's autograde, with the wall: `nbgrader autograde`, `NbGraderAPI`, formgrader's button.

`use_wall(c)` in nbgrader_config.py puts `WalledAutograde` in the place of nbgrader's `Autograde`.
Where that failed, the preprocessors that it configures refuse to grade: nothing falls back to
running student code unprotected.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import nbgrader.apps.api
import nbgrader.apps.autogradeapp
import nbgrader.apps.generatefeedbackapp
import nbgrader.converters
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters.autograde import Autograde
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.converters.generate_feedback import GenerateFeedback
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    GetGrades,
    LimitOutput,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Dict, List
from traitlets.config import Config

from grader.course.assignment import (
    Assignment,
    AssignmentError,
    compare_with_gradebook,
    given_files,
    read_assignment,
    source_notebooks,
)
from grader.course.secret import check_seed, course_secret
from grader.engine import record
from grader.submissions.intake import Intake, read_contents, take_in
from grader.submissions.students import students_of
from grader.submissions.submission import SubmissionError
from grader.wall.examine import ExaminationLost, Examined, Wall
from grader.wall.sandbox import UNPROTECTED_WARNING, LimitsError, WallError, limits_of


def use_wall(c: Config, show_hidden_tests_after_deadline: bool = False) -> None:
    """Make nbgrader grade behind the wall. For nbgrader_config.py.

    show_hidden_tests_after_deadline: whether feedback made after an assignment's due date shows
    the source of its hidden tests.
    """
    for module in (
        nbgrader.converters,
        nbgrader.apps.autogradeapp,
        nbgrader.apps.api,
    ):
        module.Autograde = WalledAutograde
    for module in (
        nbgrader.converters,
        nbgrader.apps.generatefeedbackapp,
        nbgrader.apps.api,
    ):
        module.GenerateFeedback = LiteralFeedback
    c.Autograde.sanitize_preprocessors = []
    c.Autograde.autograde_preprocessors = list(_RECORD)
    if show_hidden_tests_after_deadline:
        c.GenerateFeedback.preprocessors = [GetGrades, ShowHiddenTests, CSSHTMLHeaderPreprocessor]


class RecordVerdicts(SaveAutoGrades):
    """Record the examiner's verdicts; nothing is inferred from a cell's outputs."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if "verdicts" not in resources["nbgrader"]:
            raise WallError(
                "nbgrader's own autograde is at work, not the wall's: nbgrader_config.py must call "
                "grader.plugins.autograde.use_wall(c); nothing was graded"
            )
        result: tuple[NotebookNode, dict[str, Any]] = super().preprocess(nb, resources)
        return result

    def _add_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        if is_solution(cell):  # an answer that a person grades
            super()._add_score(cell, resources)
            return
        name = cell.metadata["nbgrader"]["grade_id"]
        grade = self.gradebook.find_grade(
            name, self.notebook_id, self.assignment_id, self.student_id
        )
        grade.auto_score = resources["nbgrader"]["verdicts"][name]
        grade.needs_manual_grade = grade.manual_score is not None
        self.gradebook.db.commit()


class ShowHiddenTests(NbGraderPreprocessor):
    """In feedback made after the due date: graded cells with the source of their hidden tests."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        told = resources["nbgrader"]
        with Gradebook(told["db_url"]) as gradebook:
            due = gradebook.find_assignment(told["assignment"]).duedate
            if due is None or due > dt.datetime.now(dt.UTC).replace(tzinfo=None):
                return nb, resources
            for cell in filter(is_grade, nb.cells):
                saved = gradebook.find_source_cell(
                    cell.metadata.nbgrader.grade_id, told["notebook"], told["assignment"]
                )
                if not is_solution(cell):
                    cell.source = saved.source
        return nb, resources


_RECORD = (LimitOutput, RecordVerdicts, AssignLatePenalties, CheckCellMetadata)


class WalledAutograde(Autograde):
    """`Autograde`, with every submission read before anything is copied, and examined behind the
    wall. Late penalties, manual grades and files are nbgrader's own."""

    limits = Dict(
        help="What a submission may use, by the names of grader.wall.sandbox.Limits: "
        "{'cell_seconds': 60}"
    ).tag(config=True)

    run_student_code_with_all_my_rights = Bool(
        False,
        help="Grade WITHOUT the wall. Student code can then read and change every file you can, "
        "the gradebook and the hidden tests included, and forge its grade.",
    ).tag(config=True)

    sanitize_preprocessors: List[Any] = List([]).tag(config=True)
    autograde_preprocessors = List(list(_RECORD)).tag(config=True)

    def start(self) -> None:
        """Grade what is to be graded. Raises NbGraderException where anything was not."""
        if self.config.get("Execute", Config()).get("enabled", True) is False:
            _stop(self, "--no-execute is refused: points are earned by checks that ran")
        if self.run_student_code_with_all_my_rights:
            self.log.critical(UNPROTECTED_WARNING)  # no log level may silence it
        with ExitStack() as self._open:
            try:
                self._assignments = self._read_assignments()
                self._walls = {
                    name: self._open.enter_context(self._wall(assignment))
                    for name, assignment in self._assignments.items()
                }
                super().start()
            except (AssignmentError, LimitsError, WallError) as error:
                _stop(self, str(error))

    def _wall(self, assignment: Assignment) -> Wall:
        return Wall(
            assignment,
            limits_of(self.limits),
            hidden=(Path(self.coursedir.root),),
            protected=not self.run_student_code_with_all_my_rights,
        )

    def _read_assignments(self) -> dict[str, Assignment]:
        """The assignment's notebooks by name, as in source/ and as in the gradebook."""
        name = self.coursedir.assignment_id
        found = {}
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            for path in source_notebooks(self._source()):
                if fnmatch.fnmatchcase(path.stem, self.coursedir.notebook_id):
                    found[path.stem] = read_assignment(path, name, self.config)
                    compare_with_gradebook(found[path.stem], gradebook)
        return found

    def init_notebooks(self) -> None:
        """Find who submitted. A student id is taken literally first, then as a glob."""
        self._students = _students(self, self.coursedir.submitted_directory)
        if not self._students:
            _stop(
                self,
                f"no submission of {self.coursedir.assignment_id} by {self.coursedir.student_id} "
                f"in {self.coursedir.submitted_directory}/; run `nbgrader collect` first",
            )

    def convert_notebooks(self) -> None:
        """Grade one submission after the other; what could not be graded is listed at the end."""
        failed: list[str] = []
        self._remarks: list[str] = []
        for student in self._students:
            try:
                self._grade(student)
            except (SubmissionError, ExaminationLost) as error:
                failed.append(f"{student}: {error}")
                self.log.error(failed[-1])
            except (WallError, AssignmentError):
                raise
            except Exception as error:  # noqa: BLE001 - one submission never stops the others
                failed.append(f"{student}: {type(error).__name__}: {error}")
                self.log.error(traceback.format_exc())
        if self._remarks:
            self.log.warning("To look at:\n  %s", "\n  ".join(self._remarks))
        if failed:
            count = f"{len(failed)} of {len(self._students)} submissions could not be graded"
            _stop(self, "\n  ".join([f"{count}:", *failed]))

    def _grade(self, student: str) -> None:
        folder, assignments = self._submitted(student), self._assignments.values()
        contents = read_contents(folder, assignments)
        if not self._is_new(student, contents.timestamp):
            self.log.info("Skipping existing assignment: %s", self._dest(student))
            return
        taken = take_in(folder, contents, assignments)
        for name in set(self._assignments) - set(taken.submissions):
            self.log.warning("%s: no %s.ipynb", student, name)
        examined = dict(self._examine(taken, student))
        before = {name: self._answers(name, student) for name in examined}
        record.withdraw(self._dest(student))
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            self._create_rows(gradebook, student, taken.timestamp, set(examined))
        self._renew_folder(student, taken)
        for name, result in examined.items():
            self._record(name, student, result)
            if before[name]:
                self._mark_changed(name, student, before[name])
        self.set_permissions(self.coursedir.assignment_id, student)
        if self.coursedir.notebook_id == "*":
            digest = record.digest_of(taken.digest, assignments)
            record.vouch(self._dest(student), digest, taken.timestamp, examined)

    def _examine(self, taken: Intake, student: str) -> Iterator[tuple[str, Examined]]:
        secret = course_secret(Path(self.coursedir.root))
        seed = check_seed(secret, self.coursedir.assignment_id, student)
        for name, submission in taken.submissions.items():
            examined = self._walls[name].examine(submission, seed)
            for note in examined.notes:
                self._remarks.append(f"{student}: {note}")
            for verdict in examined.verdicts:
                said = (verdict.printed + verdict.written).strip()
                if said:
                    self.log.debug("%s: during %s: %r", student, verdict.grade_id, said)
            yield name, examined

    def _source(self) -> Path:
        step, name = self.coursedir.source_directory, self.coursedir.assignment_id
        return Path(self.coursedir.format_path(step, ".", name))

    def _dest(self, student: str) -> Path:
        return Path(self._format_dest(self.coursedir.assignment_id, student))

    def _submitted(self, student: str) -> Path:
        return Path(self._format_source(self.coursedir.assignment_id, student))

    def _is_new(self, student: str, timestamp: dt.datetime | None) -> bool:
        dest = self._dest(student)
        if self.force or not all((dest / f"{name}.ipynb").exists() for name in self._assignments):
            return True
        graded = self.coursedir.get_existing_timestamp(str(dest))
        return timestamp is not None and graded is not None and timestamp > graded

    def _create_rows(
        self,
        gradebook: Gradebook,
        student: str,
        timestamp: dt.datetime | None,
        submitted: set[str],
    ) -> None:
        """The student, the submission and a row for each grade; unsubmitted notebooks get 0."""
        name = self.coursedir.assignment_id
        if self.create_student:
            gradebook.update_or_create_student(student)
        else:
            try:
                gradebook.find_student(student)
            except MissingEntry:
                raise SubmissionError(
                    "is not in the gradebook: `nbgrader db student add` first"
                ) from None
        given = {} if timestamp is None else {"timestamp": timestamp}
        submission = gradebook.update_or_create_submission(name, student, **given)
        if submission.total_seconds_late > 0:
            self.log.warning("%s is %s s late", submission, submission.total_seconds_late)
        for notebook in submission.notebooks:
            if notebook.name in self._assignments and notebook.name not in submitted:
                for grade in notebook.grades:
                    grade.auto_score, grade.needs_manual_grade = 0, False
        gradebook.db.commit()

    def _renew_folder(self, student: str, taken: Intake) -> None:
        """An autograded folder with the course's own files and what nbgrader put beside the
        submission; nothing else of the student's."""
        name, dest = self.coursedir.assignment_id, self._dest(student)
        if dest.exists() and set(self._assignments) >= {p.stem for p in dest.glob("*.ipynb")}:
            nbgrader.utils.rmtree(str(dest))
        dest.mkdir(parents=True, exist_ok=True)
        excluded = self.exclude_overwriting.get(name, [])
        given = given_files(self._source(), self.coursedir.ignore, excluded)
        for file, content in {**taken.files, **given}.items():
            path = dest / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(content)

    def _record(self, notebook: str, student: str, examined: Examined) -> None:
        resources = {
            "unique_key": notebook,
            "output_files_dir": f"{notebook}_files",
            "nbgrader": {
                "student": student,
                "assignment": self.coursedir.assignment_id,
                "notebook": notebook,
                "db_url": self.coursedir.db_url,
                "verdicts": {verdict.grade_id: verdict.points for verdict in examined.verdicts},
            },
        }
        self.exporter._preprocessors = []
        for preprocessor in self.autograde_preprocessors:
            self.exporter.register_preprocessor(preprocessor)
        (self._dest(student) / f"{notebook}.ipynb").unlink(missing_ok=True)
        self.write_single_notebook(
            *self.exporter.from_notebook_node(examined.notebook, resources=resources)
        )

    def _answers(self, notebook: str, student: str) -> dict[str, list[str]]:
        return record.answers(self._dest(student) / f"{notebook}.ipynb")

    def _mark_changed(self, notebook: str, student: str, before: dict[str, list[str]]) -> None:
        """Mark for review the tasks that a person graded and that are answered anew since."""
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            for task, answer in self._answers(notebook, student).items():
                grade = gradebook.find_grade(task, notebook, self.coursedir.assignment_id, student)
                if grade.manual_score is not None and answer != before.get(task):
                    grade.needs_manual_grade = True
            gradebook.db.commit()


class LiteralFeedback(GenerateFeedback):
    """`GenerateFeedback`, for student ids with glob characters as well."""

    def init_notebooks(self) -> None:
        pattern = f"{self.coursedir.notebook_id}.ipynb"
        self.assignments: dict[str, list[str]] = {}
        for student in _students(self, self.coursedir.autograded_directory):
            folder = Path(self._format_source(self.coursedir.assignment_id, student))
            if found := sorted(map(str, folder.glob(pattern))):
                self.assignments[str(folder)] = found
        if not self.assignments:
            course = self.coursedir
            who = f"{course.assignment_id} by {course.student_id}"
            _stop(self, f"no submission of {who} is autograded yet")


def _students(converter: BaseConverter, step: str) -> list[str]:
    try:
        return students_of(converter.coursedir, step)
    except PermissionError as error:
        _stop(converter, f"{error.filename} cannot be read by this account ({error.strerror})")


def _stop(converter: BaseConverter, message: str) -> NoReturn:
    converter.log.error(message)
    raise NbGraderException(message)
