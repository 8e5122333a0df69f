"""Changes the working directory and removes it (point 6)."""

from redteam.tools import World, in_scale

BASE = "honest"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import os

        os.makedirs("/tmp/a/b", exist_ok=True)
        os.chdir("/tmp/a/b")
        os.rmdir("../b")
        """,
    )
