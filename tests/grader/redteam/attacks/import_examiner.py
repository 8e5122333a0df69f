"""Imports the staff's code and asks it for assignments and seeds (point 2)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import importlib

        for name in ("assignment", "examiner", "secret", "autograde", "gradebook", "wall"):
            try:
                print(REACHED, importlib.import_module("grader." + name))
            except ImportError as error:
                print(error)
        import os

        import grader

        print(os.listdir(os.path.dirname(grader.__file__)))
        """,
    )
