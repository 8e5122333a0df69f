"""Hands in an empty file (point 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "is empty"


def attack(notebook, world: World) -> bytes:
    return b""
