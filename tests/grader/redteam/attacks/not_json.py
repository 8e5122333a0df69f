"""Hands in a text file (point 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "not valid JSON"


def attack(notebook, world: World) -> bytes:
    return b"This is my notebook.\nIt is not JSON.\n"
