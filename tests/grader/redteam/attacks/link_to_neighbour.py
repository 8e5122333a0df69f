"""Hands in a symbolic link to another student's notebook (points 3, 5)."""

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"
REFUSED = "symbolic link"


def attack_folder(folder, world: World) -> None:
    notebook = folder / f"{NOTEBOOK}.ipynb"
    notebook.unlink()
    notebook.symlink_to(world.neighbour / f"{NOTEBOOK}.ipynb")
