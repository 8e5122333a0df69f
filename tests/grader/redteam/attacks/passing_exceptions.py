"""Raises what a check might take for success (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import random
        import unittest


        class Passed(AssertionError, ValueError, KeyboardInterrupt):
            def __str__(self):
                return ""

            def __bool__(self):
                return False


        def fail(kinds=(Passed, unittest.SkipTest, StopIteration, GeneratorExit, Warning)):
            raise random.choice(kinds)
        """,
    )
    forge(notebook, "fail()")
