"""Cuts the asserts out of later cells with an IPython transformer (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        def cut(lines):
            return [line.replace("assert ", "True or ") for line in lines]


        get_ipython().input_transformers_post.append(cut)
        get_ipython().input_transformers_cleanup.append(cut)
        """,
    )
    forge(notebook, "None")
