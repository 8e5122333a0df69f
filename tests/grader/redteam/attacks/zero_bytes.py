"""Hands in zero bytes, as a crashed disk leaves them (point 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "is empty"


def attack(notebook, world: World) -> bytes:
    return bytes(10_000)
