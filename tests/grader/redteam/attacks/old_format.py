"""Hands in a notebook in the format of 2013 (point 5)."""

import json

from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> bytes:
    cells = []
    for cell in notebook.cells:
        old = {"cell_type": cell.cell_type, "metadata": dict(cell.metadata)}
        if cell.cell_type == "code":
            old |= {"input": cell.source.splitlines(True), "outputs": [], "language": "python"}
        else:
            old["source"] = cell.source
        cells.append(old)
    sheet = {"cells": cells, "metadata": {}}
    return json.dumps({"nbformat": 3, "nbformat_minor": 0, "worksheets": [sheet]}).encode()
