"""Raises the points and takes away the locks in the metadata (point 1)."""

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    for cell in notebook.cells:
        known = cell.metadata.get("nbgrader", {})
        if "points" in known:
            known.update(points=1e6, locked=False, schema_version=99, checksum="0" * 32)
    notebook.metadata.update(nbgrader={"score": 1e6}, grade=1e6, points=1e6)
