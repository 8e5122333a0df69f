"""Hands in a folder named like the notebook (point 5)."""

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"
REFUSED = "not a plain file"


def attack_folder(folder, world: World) -> None:
    notebook = folder / f"{NOTEBOOK}.ipynb"
    notebook.unlink()
    notebook.mkdir()
    (notebook / f"{NOTEBOOK}.ipynb").write_text("{}")
