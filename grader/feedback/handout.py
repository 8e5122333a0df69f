"""Handing out feedback pages through nbgrader's exchange."""

from __future__ import annotations

import glob
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback

from grader.submissions.intake import SECRET, TIMESTAMP


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Hands out the pages of all students that can fetch them.

    A page is found by a secret that `nbgrader submit` made. A notebook that came in another way has
    none: nbgrader's own command stops there with a traceback, and nobody after it gets a page.
    """

    def copy_files(self) -> None:
        """Copy the pages into the exchange; one line for each student who cannot fetch one.

        Raises ExchangeError where there is no page.
        """
        excluded = [name for name in self.coursedir.student_id_exclude.split(",") if name]
        folders = sorted(map(Path, glob.glob(self.src_path)))
        if not folders:
            self.fail(
                f"no feedback page of {self.coursedir.assignment_id} by "
                f"{self.coursedir.student_id}: run `nbgrader generate_feedback` first"
            )
        for folder in folders:
            student = folder.parent.name
            if student in excluded or all((folder / name).exists() for name in (TIMESTAMP, SECRET)):
                continue
            excluded.append(student)
            self.log.warning(
                "%s: this submission did not come through the exchange, so its page cannot be "
                "fetched from there: send %s to the student yourself",
                student,
                folder,
            )
        self.coursedir.student_id_exclude = ",".join(excluded)
        super().copy_files()
