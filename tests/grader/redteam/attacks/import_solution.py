"""Imports the exported solution and looks for it in all packages (points 2, 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import importlib
        import os
        import pkgutil
        import sys

        import tinytorch

        sys.path += [COURSE, os.path.dirname(COURSE), os.path.join(COURSE, "tinytorch")]
        for name in ("tinytorch.core.compression", "compression", "solutions"):
            try:
                print(REACHED, importlib.import_module(name))
            except ImportError as error:
                print(error)
        for module in pkgutil.walk_packages(tinytorch.__path__, "tinytorch."):
            print(module.name, "compression" in module.name and REACHED)
        own = "{}/lib/python{}.{}/site-packages".format(sys.base_prefix, *sys.version_info)
        for folder in [*sys.path, own]:
            path = os.path.join(folder, "tinytorch", "core", "compression.py")
            print(os.path.exists(path) and REACHED)
        """,
    )
