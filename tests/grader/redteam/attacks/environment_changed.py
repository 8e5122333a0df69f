"""Changes the environment variables that grading reads (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os

        os.environ["TINYTORCH_CHECK_SEED"] = "0"
        os.environ["NBGRADER_EXECUTION"] = "validate"
        os.environ["PYTHONOPTIMIZE"] = "2"
        os.environ["PYTHONPATH"] = "."
        with open("numpy.py", "w") as file:
            file.write("array_equal = lambda *a: True")
        """,
    )
    forge(notebook, "None")
