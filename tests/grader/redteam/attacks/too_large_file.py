"""Hands in a file of more than 100 MB (point 5)."""

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"
REFUSED = "MB"


def attack_folder(folder, world: World) -> None:
    with open(folder / f"{NOTEBOOK}.ipynb", "r+b") as file:
        file.truncate(101 * 2**20)
