"""Reads command lines, environments and memory in /proc (point 2)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import glob

        for path in [*glob.glob("/proc/*/cmdline"), "/proc/self/environ", "/proc/self/maps"]:
            try:
                with open(path, "rb") as file:
                    print(path, file.read()[:2000])
            except OSError as error:
                print(error)
        """,
    )
