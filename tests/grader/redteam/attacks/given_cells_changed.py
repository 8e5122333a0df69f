"""Changes the given cells that the checks rely on (point 1)."""

from redteam.course import cell
from redteam.tools import World, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    cell(notebook, "imports").source = "class np: array_equal = all = lambda *a: True"
    cell(notebook, "tools-checks").source = "def check_rng(key):\n    raise SystemExit(0)"
    own_cell(notebook, "CHECK_SEED = 0\n\ndef check_rng(key):\n    raise SystemExit(0)")
