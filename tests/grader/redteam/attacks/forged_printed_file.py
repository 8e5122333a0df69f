"""Lets the file that outlives it grow, fills it with what is no text, and dies (points 4, 5)."""

from redteam.tools import World, own_cell

BASE = "honest"
GROW = """
import fcntl
import mmap

KEPT = 12
for size in (2**50, 2**24 + 1):
    try:
        os.ftruncate(KEPT, size)
        print(REACHED)
    except OSError:
        pass
try:
    fcntl.fcntl(KEPT, 1033, 0xF)  # all seals
    print(REACHED)
except OSError:
    pass
os.ftruncate(KEPT, 2**24)
evil = b"\\x1b[31m<script>" + MARK.encode() + b"\\xff\\xed\\xb2\\x80\\0\\r"
mmap.mmap(KEPT, 2**24)[:] = (evil * 2**20)[: 2**24]
os._exit(7)
"""
CHANGE = """
if os.fork() == 0:
    while True:
        os.ftruncate(12, 0)
        os.ftruncate(12, 2**24)
os._exit(7)
"""


def attack(notebook, world: World) -> None:
    own_cell(notebook, CHANGE)
    own_cell(notebook, f"{world.constants}{GROW}")
