"""Which students the course's configuration means: `student_id` and `student_id_exclude`."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from pathlib import Path

from nbgrader.coursedir import CourseDirectory


def students_of(coursedir: CourseDirectory, step: str) -> list[str]:
    """The ids of the students who have a folder of the assignment in a step of the course.

    `CourseDirectory.student_id` is a pattern, or one id to the letter; `student_id_exclude` holds.
    A student whose folder nobody may look into is among them: to be told, not to be left out.
    Raises PermissionError where that is so for the whole step.
    """
    wanted, name = coursedir.student_id, coursedir.assignment_id
    excluded = _excluded(coursedir)
    whole = Path(coursedir.root, step)
    if whole.exists():
        os.scandir(whole).close()
    exact = Path(coursedir.format_path(step, wanted, name))
    if wanted != "*" and os.path.lexists(exact):
        return [] if wanted in excluded else [wanted]
    pattern = os.path.join(
        glob.escape(coursedir.root),
        coursedir.directory_structure.format(
            nbgrader_step=glob.escape(step), student_id=wanted, assignment_id=glob.escape(name)
        ),
    )
    shape = re.compile(
        coursedir.format_path(re.escape(step), "(?P<student>.*)", re.escape(name), escape=True)
    )
    above, last = os.path.split(pattern)
    paths = glob.glob(pattern)
    if last == glob.escape(name):  # the student's folder is above the assignment's
        folders = filter(os.path.isdir, glob.glob(above))
        closed = (path for path in folders if not os.access(path, os.X_OK, effective_ids=True))
        paths += [os.path.join(path, name) for path in closed]
    found = (shape.fullmatch(path) for path in paths)
    return sorted({match["student"] for match in found if match} - excluded)


def is_meant(coursedir: CourseDirectory, student: str) -> bool:
    """Whether whatever this student hands in is meant, whoever else does.

    `CourseDirectory.student_id` is a pattern or one id to the letter; `student_id_exclude` holds.
    """
    wanted = coursedir.student_id
    named = student == wanted or fnmatch.fnmatchcase(student, wanted)
    return named and student not in _excluded(coursedir)


def _excluded(coursedir: CourseDirectory) -> set[str]:
    return set(filter(None, coursedir.student_id_exclude.split(",")))
