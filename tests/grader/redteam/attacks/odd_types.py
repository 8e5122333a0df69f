"""Hands in cells, sources, metadata and outputs of other types (point 5)."""

import json

import nbformat
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> bytes:
    data = json.loads(nbformat.writes(notebook))
    data["cells"][3:3] = [
        None,
        "a cell",
        [],
        {},
        {"cell_type": "code", "source": 5, "metadata": [], "outputs": {}},
        {"cell_type": ["code"], "source": {"a": 1}, "metadata": {"nbgrader": "yes"}},
        {"cell_type": "code", "source": ["pass", 5, None], "metadata": {"tags": 7}},
        {"cell_type": "code", "source": "pass", "metadata": {"nbgrader": {"grade_id": ["x"]}}},
    ]
    data["metadata"] = [1, 2]
    return json.dumps(data).encode()
