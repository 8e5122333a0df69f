"""How a release is made: without editors' metadata, and never at the price of the last one."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbgrader.apps.api
import nbgrader.apps.generateassignmentapp
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.config import Config

NOTEBOOK_METADATA = ("kernelspec",)
CELL_METADATA = ("nbgrader", "tags")


def use_safe_release(c: Config) -> None:
    """Make nbgrader generate releases this way. For nbgrader_config.py."""
    for module in (nbgrader.apps.generateassignmentapp, nbgrader.apps.api):
        module.GenerateAssignment = SafeGenerateAssignment
    # The whole list: a server reads this for each of its extensions, and would add to a part.
    steps = GenerateAssignment.class_traits()["preprocessors"].default()
    c.GenerateAssignment.preprocessors = [ClearEditorMetadata, *steps]


class SafeGenerateAssignment(GenerateAssignment):
    """`GenerateAssignment`, which removes a release first; here it comes back where the new one
    cannot be made."""

    def convert_notebooks(self) -> None:
        """Make the release; whatever goes wrong, the last one is there again."""
        release = Path(self._format_dest(self.coursedir.assignment_id, "."))
        with tempfile.TemporaryDirectory() as safe:
            last = Path(safe) / "release"
            if release.is_dir():
                shutil.copytree(release, last)
            try:
                super().convert_notebooks()
            except BaseException:
                if last.exists():
                    shutil.copytree(last, release, dirs_exist_ok=True)
                    self.log.error("The release is as it was before")
                raise


class ClearEditorMetadata(NbGraderPreprocessor):
    """Drops what editors leave in a notebook, so that a release is the same from any machine."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Keep the kernel; the cells are done one by one."""
        _keep(nb.metadata, NOTEBOOK_METADATA)
        return super().preprocess(nb, resources)  # type: ignore[no-any-return]

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Keep nbgrader's entry and the tags."""
        _keep(cell.metadata, CELL_METADATA)
        return cell, resources


def _keep(metadata: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in [name for name in metadata if name not in names]:
        del metadata[name]
