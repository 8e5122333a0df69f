"""Plants start-up code and changes installed packages (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import sys

        for folder in [p for p in sys.path if p] + ["/wall", "/packages/0", sys.base_prefix]:
            for name in (MARK + ".pth", "sitecustomize.py", "usercustomize.py", "numpy/__init__.py",
                         "grader/inside/codec.py", "tinytorch/__init__.py", "__pycache__/x.pyc"):
                try:
                    with open(os.path.join(folder, name), "a") as file:
                        file.write("# " + MARK)
                    print(REACHED, folder, name)
                except OSError:
                    pass
        print(os.access(sys.executable, os.W_OK) and REACHED)
        """,
    )
