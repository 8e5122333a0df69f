"""Hands in the notebook under another name (point 5)."""

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"
REFUSED = "is missing"


def attack_folder(folder, world: World) -> None:
    (folder / f"{NOTEBOOK}.ipynb").rename(folder / f"{NOTEBOOK} (1) final.ipynb")
