"""Hands in a named pipe, which never ends (point 5)."""

import os

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"
REFUSED = "not a plain file"


def attack_folder(folder, world: World) -> None:
    notebook = folder / f"{NOTEBOOK}.ipynb"
    notebook.unlink()
    os.mkfifo(notebook)
