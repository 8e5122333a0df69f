"""What a release may hold of the notebook's metadata."""

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

NOTEBOOK_METADATA = ("kernelspec",)
CELL_METADATA = ("nbgrader", "tags")


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
