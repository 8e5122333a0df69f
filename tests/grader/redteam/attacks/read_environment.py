"""Prints the environment, the arguments and the seed, if there is one (point 2)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import resource
        import sys

        print(dict(os.environ), sys.argv, sys.orig_argv, sys.flags, os.getcwd(), os.uname())
        print(sys.path, CHECK_SEED, globals().keys())
        """,
    )
