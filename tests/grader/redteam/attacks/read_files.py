"""Reads notebooks, databases and code of the course, by name and by search (point 2)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os

        home = os.path.expanduser("~")
        for place in (COURSE, CANARY, NEIGHBOUR, os.path.dirname(COURSE), home, "/etc/passwd"):
            try:
                print(place, os.listdir(place)[:20] if os.path.isdir(place) else open(place).read())
            except OSError as error:
                print(type(error).__name__)
        for folder, below, names in os.walk("/"):
            if folder.count("/") > 2:
                below.clear()
            for name in names:
                if name.endswith((".ipynb", ".db", ".secret")) or "quokka" in name:
                    print(folder, name, open(os.path.join(folder, name), "rb").read(5000))
        """,
    )
