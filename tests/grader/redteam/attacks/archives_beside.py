"""Puts an archive in an archive beside the notebook, small and huge (point 5)."""

import zipfile

from redteam.course import NOTEBOOK
from redteam.tools import World

BASE = "honest"


def attack_folder(folder, world: World) -> None:
    with zipfile.ZipFile(folder / "inner.zip", "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("../../../canary.txt", b"0" * 10_000_000)
        inner.writestr(f"{NOTEBOOK}.ipynb", b"{}")
    with zipfile.ZipFile(folder / "outer.zip", "w") as outer:
        outer.write(folder / "inner.zip", "/inner.zip")
