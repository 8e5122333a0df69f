"""Hands in a folder that is a link to another student's (points 3, 5)."""

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"
REFUSED = "link"


def attack_folder(folder, world: World) -> None:
    (folder / f"{NOTEBOOK}.ipynb").unlink()
    folder.rmdir()
    folder.symlink_to(world.neighbour)
