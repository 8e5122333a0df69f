"""Starts processes that leave their session and wait for the next submission (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import sys
        import time

        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                wait = "import time; time.sleep(600)"
                os.execv(sys.executable, [sys.executable, "-c", wait, MARK])
            os._exit(0)
        """,
    )
