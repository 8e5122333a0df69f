"""The feedback page, for `nbgrader generate_feedback`."""

from __future__ import annotations

from typing import Any

from nbconvert.exporters import Exporter
from nbgrader.api import Gradebook as NbgraderGradebook
from nbgrader.preprocessors import ClearMarkScheme
from nbgrader.utils import is_task
from traitlets import default

from grader.engine.gradebook import Sheet
from grader.feedback.page import page


class FeedbackExporter(Exporter):
    """The same page from `nbgrader generate_feedback` (`GenerateFeedback.exporter_class`)."""

    output_mimetype = "text/html"

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(
        self, nb: Any, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """The page and nbconvert's resources; nbgrader's GetGrades has put the scores in."""
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)
        found = resources["nbgrader"]
        sheet = Sheet(found["score"], found["max_score"], found["late_penalty"])
        clear = ClearMarkScheme(config=self.config)
        for index, cell in enumerate(nb.cells):
            if is_task(cell):
                clear.preprocess_cell(cell, resources, index)
        for cell in nb.cells:
            known = cell.metadata.get("nbgrader", {})
            if "score" in known:
                sheet.scores[known["grade_id"]] = (known["score"], known["points"])
            if "comment" in known:
                sheet.comments[known["grade_id"]] = known["comment"]
        with NbgraderGradebook(found["db_url"]) as gradebook:
            grades = gradebook.find_submission_notebook(
                found["notebook"], found["assignment"], found["student"]
            ).grades
            sheet.waiting += [
                grade.name
                for grade in grades
                if grade.auto_score is None and grade.manual_score is None
            ]
        return page(nb, found["notebook"], sheet), resources
