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
        """Copy the pages into the exchange; one line for each student who cannot fetch one."""
        excluded = [name for name in self.coursedir.student_id_exclude.split(",") if name]
        for folder in sorted(map(Path, glob.glob(self.src_path))):
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
