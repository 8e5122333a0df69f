"""Hands in a time of submission with millions of digits (points 4, 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "timestamp.txt"


def attack_folder(folder, world: World) -> None:
    (folder / "timestamp.txt").write_text("1" * 5_000_000)
