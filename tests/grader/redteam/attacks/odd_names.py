"""Puts files with odd names beside the notebook (points 5, 6)."""

import os

from redteam.tools import World

BASE = "honest"


def attack_folder(folder, world: World) -> None:
    for name in ("*.ipynb", "$(touch x)", "-rf", "a\nb.ipynb", " ", "'\";&|", "\u202eipynb.x"):
        (folder / name).write_text("odd")
    (folder / os.fsdecode(b"\xff\xfe.ipynb")).write_text("odd")
    (folder / ("x" * 250)).write_text("odd")
    (folder / "numpy.py").write_text("raise SystemExit")
    (folder / "sitecustomize.py").write_text("raise SystemExit")
    (folder / "nbgrader_config.py").write_text("raise SystemExit")
