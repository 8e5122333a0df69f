"""Hands in a hundred thousand cells (point 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "cells"


def attack(notebook, world: World) -> bytes:
    cell = b'{"cell_type": "code", "source": "", "metadata": {}, "outputs": []},'
    return b'{"nbformat": 4, "metadata": {}, "cells": [' + cell * 100_000 + b"{}]}"
