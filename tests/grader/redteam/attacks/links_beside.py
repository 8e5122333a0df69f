"""Puts links to the gradebook and to folders beside the notebook (points 3, 5)."""

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"


def attack_folder(folder, world: World) -> None:
    (folder / "data.txt").symlink_to(world.canary / "canary.txt")
    (folder / "all").symlink_to("/")
    (folder / "loop").symlink_to(folder)
    (folder / "timestamp").symlink_to(NOTEBOOK)
