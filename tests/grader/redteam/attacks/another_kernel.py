"""Hands in a notebook for another kernel and language (point 5)."""

from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    notebook.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    notebook.metadata.language_info = {"name": "R", "file_extension": ".r", "version": "4"}
