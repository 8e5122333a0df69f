"""Answers with an array of no bytes and sixty million rows, which becomes gigabytes of lists, in C
code that no signal interrupts (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(notebook, "return np.zeros((60_000_000, 0))")
