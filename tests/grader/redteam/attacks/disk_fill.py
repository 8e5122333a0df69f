"""Writes gigabytes into its folder, in one file and in many (point 4)."""

from redteam.tools import World, everywhere

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os

        for i in range(40):
            try:
                with open(f"large-{i}", "wb") as file:
                    for _ in range(64):
                        file.write(b"x" * 2**20)
            except OSError:
                pass
        for place in ("/dev/shm", "/tmp", "/var/tmp"):
            try:
                with open(f"{place}/{MARK}", "wb") as file:
                    for _ in range(300):
                        file.write(b"x" * 2**20)
            except OSError:
                pass
        """,
    )
