"""Prints, shows and raises text that no encoding has (points 3, 5)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        r"""
        print("before \ud800 after")
        display("\udfff", {"\ud801": "\udc00\ud800"})
        """,
    )
    notebook.cells[-1].source += "\nraise type('E\\ud800', (ValueError,), {})('\\udcff')"
