"""A course, its gradebook and its recorder, from nbgrader's configuration."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook as StockGradebook
from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import BaseConverter, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, LimitOutput

from grader.course.assignment import (
    compare_with_gradebook,
    given_files,
    read_assignment,
    source_notebooks,
)
from grader.course.secret import check_seed, course_secret
from grader.engine.gradebook import Gradebook, Penalty
from grader.engine.pipeline import Course
from grader.engine.record import Recorder
from grader.engine.worker import Master
from grader.plugins.autograde import ShowHiddenTests, WalledAutograde
from grader.wall.sandbox import limits_of


@dataclass(frozen=True)
class Configured:
    """All that a run needs of a course."""

    course: Course
    gradebook: Gradebook
    recorder: Recorder


def configured(app: NbGrader, patience: float, waiting: Callable[[str], None]) -> Configured:
    """Open the assignment that the application's configuration names.

    Raises AssignmentError (the source cannot be read, or is not what the gradebook saved),
    GradebookError, and ValueError or TraitError for options that are none.
    """
    coursedir: CourseDirectory = app.coursedir
    name = coursedir.assignment_id
    source = Path(coursedir.format_path(coursedir.source_directory, ".", name))
    assignments = [read_assignment(path, name, app.config) for path in source_notebooks(source)]
    gradebook = Gradebook(
        coursedir.db_url, name, penalty=late_policy(app), patience=patience, waiting=waiting
    )

    def compare() -> None:
        with closing(StockGradebook(coursedir.db_url, coursedir.course_id)) as saved:
            for assignment in assignments:
                compare_with_gradebook(assignment, saved)

    gradebook.patiently(compare)
    autograde = WalledAutograde(coursedir, parent=app)
    pages = GenerateFeedback(coursedir, parent=app)
    output = LimitOutput(parent=app)

    limits = limits_of(autograde.limits)
    secret = course_secret(Path(coursedir.root))

    def folder(step: str) -> Callable[[str], Path]:
        return lambda student: Path(coursedir.format_path(step, student, name))

    autograded = folder(coursedir.autograded_directory)
    # a question's mark scheme is never shown: pages may go out before the last submission
    questions = {a.notebook: {c.grade_id: c.visible for c in a.questions} for a in assignments}
    hidden_tests = {
        a.notebook: questions[a.notebook] | {c.grade_id: c.source for c in a.checks}
        for a in assignments
    }
    course = Course(
        assignments=assignments,
        masters={
            assignment.notebook: Master.of(
                assignment,
                limits,
                hidden=(Path(coursedir.root),),
                protected=not autograde.run_student_code_with_all_my_rights,
                lines=(output.max_lines, output.max_traceback),
            )
            for assignment in assignments
        },
        submitted=folder(coursedir.submitted_directory),
        autograded=autograded,
        feedback=folder(coursedir.feedback_directory),
        seed=lambda student: check_seed(secret, name, student),
        admits=gradebook.has_student if not autograde.create_student else lambda student: True,
        shown=lambda: hidden_tests if _shows_hidden_tests(pages, gradebook) else questions,
        page_mode=_mode(pages),
        group_shared=coursedir.groupshared,
    )
    recorder = Recorder(
        gradebook,
        autograded,
        given_files(source, coursedir.ignore, autograde.exclude_overwriting.get(name, [])),
        mode=_mode(autograde),
        group_shared=coursedir.groupshared,
    )
    return Configured(course, gradebook, recorder)


def _mode(converter: BaseConverter) -> int:
    """The converter's `permissions`, which are octal digits."""
    given = str(converter.permissions)
    if not re.fullmatch("[0-7]{3,4}", given):
        name = type(converter).__name__
        raise ValueError(f"{name}.permissions is {given}; it is three octal digits, such as 644")
    return int(given, 8)


def _shows_hidden_tests(pages: GenerateFeedback, gradebook: Gradebook) -> bool:
    """Whether feedback shows the hidden tests: the course says so, and the due date is over."""
    if ShowHiddenTests not in pages.preprocessors:
        return False
    due = gradebook.duedate()
    return due is not None and due <= dt.datetime.now(dt.UTC).replace(tzinfo=None)


def late_policy(app: NbGrader) -> Penalty:
    """The course's plugin for late submissions (`AssignLatePenalties.plugin_class`)."""
    assigner = AssignLatePenalties(parent=app)
    assigner.init_plugin()
    policy: Penalty = assigner.plugin_inst.late_submission_penalty
    return policy
