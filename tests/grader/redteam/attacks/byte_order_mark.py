"""Hands in a notebook with a byte order mark and line ends of Windows (point 5)."""

import nbformat
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> bytes:
    return nbformat.writes(notebook).replace("\n", "\r\n").encode("utf-8-sig")
