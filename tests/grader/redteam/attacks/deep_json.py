"""Hands in JSON a hundred thousand levels deep (point 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "nested too deeply"


def attack(notebook, world: World) -> bytes:
    return b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
