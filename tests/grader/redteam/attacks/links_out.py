"""Makes symbolic and hard links to what is outside and follows them (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import shutil

        for i, target in enumerate((COURSE, CANARY, NEIGHBOUR, "/proc/1/root", "../../../..")):
            for make in (os.symlink, os.link):
                try:
                    make(target, f"link-{make.__name__}-{i}")
                except OSError:
                    pass
        for name in os.listdir():
            try:
                print(name, os.listdir(name))
                shutil.copy(os.path.join(name, "canary.txt"), "copied")
                print(open("copied").read())
            except OSError:
                pass
        """,
    )
