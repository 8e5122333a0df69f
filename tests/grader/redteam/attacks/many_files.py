"""Makes files and folders until none can be made, and opens all it can (point 4)."""

from redteam.tools import World, everywhere

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os

        held = []
        try:
            for i in range(100_000):
                os.mkdir(f"folder-{i}")
                held.append(open(f"folder-{i}/file", "w"))
        except OSError:
            pass
        try:
            for i in range(100_000):
                os.mkdir(f"more-{i}")
        except OSError:
            pass
        for file in held:
            file.close()
        """,
    )
