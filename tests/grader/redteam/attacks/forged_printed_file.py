"""Lets the file that outlives it grow, maps it, fills it with what is no text, and dies (4, 5)."""

from redteam.tools import World, own_cell

BASE = "honest"
TWICE = True


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        f"""
        {world.constants.replace(chr(10), chr(10) + " " * 8)}
        import fcntl
        import mmap
        import resource

        KEPT = 12
        for size in (2**50, 2**24 + 1):
            try:
                os.ftruncate(KEPT, size)
                print(REACHED)
            except OSError:
                pass
        try:
            fcntl.fcntl(KEPT, 1033, 0xF)  # F_ADD_SEALS: all
            print(REACHED)
        except OSError:
            pass
        os.ftruncate(KEPT, 2**24)
        shared = mmap.mmap(KEPT, 2**24)
        shared[:] = b"\\x1b[31m<script>\\xff\\xed\\xb2\\x80\\0\\r" * (2**20)
        flags = fcntl.fcntl(KEPT, fcntl.F_GETFL)
        if os.fork() == 0:
            while True:
                os.ftruncate(KEPT, 0)
                os.ftruncate(KEPT, 2**24)
        os._exit(7)
        """,
    )
