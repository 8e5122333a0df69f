"""Hands in text that no encoding has (point 5)."""

import json

import nbformat
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> bytes:
    data = json.loads(nbformat.writes(notebook))
    for cell in data["cells"]:
        cell["source"] = "".join(cell["source"]) + "  # " + chr(0xD800)
    data["metadata"]["title"] = chr(0xDFFF)
    return json.dumps(data).encode()
