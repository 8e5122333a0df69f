"""Looks for what an earlier submission left behind (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"
TWICE = True


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import builtins
        import glob
        import os

        places = "/tmp/* /dev/shm/* /var/tmp/* /run/* /dev/mqueue/*".split()
        found = [path for place in places for path in glob.glob(place) if MARK + "-left" in path]
        if not hasattr(builtins, "own_mark"):
            if found or hasattr(os, "left_mark"):
                print(REACHED, found)
            builtins.own_mark = True
        os.left_mark = True
        for place in ("/tmp", "/dev/shm", "/dev"):
            try:
                open(f"{place}/{MARK}-left-{len(given)}", "w").close()
            except OSError:
                pass
        """,
    )
