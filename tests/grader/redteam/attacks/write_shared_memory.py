"""Leaves files in shared and temporary memory for whoever comes next (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        from multiprocessing import shared_memory

        for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/mqueue", "/dev", os.getcwd()):
            path = os.path.join(place, MARK)
            if os.path.exists(path) and place != os.getcwd() and not given:
                print("again", path)
            try:
                with open(path, "w") as file:
                    file.write(MARK)
            except OSError:
                pass
        try:
            shared_memory.SharedMemory(MARK, create=True, size=1000)
        except OSError:
            pass
        """,
    )
