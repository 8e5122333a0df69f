"""Reads the kernel's log, clocks and keys of the machine (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import ctypes
        import time

        libc = ctypes.CDLL(None)
        buffer = ctypes.create_string_buffer(2**16)
        print(libc.klogctl(3, buffer, len(buffer)) > 0 and REACHED)
        print(libc.syscall(250, 0, -3, 1) > 0 and REACHED)
        try:
            time.clock_settime(time.CLOCK_REALTIME, 0)
            print(REACHED)
        except OSError:
            pass
        """,
    )
