"""Attaches scripts, SVG, bombs, ten thousand pictures and odd values to texts (points 1, 4)."""

import base64
import struct

from nbformat.v4 import new_markdown_cell, new_raw_cell
from redteam.tools import World

BASE = "honest"


def picture(side: int, content: bytes = b"") -> str:
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", side, side)
    return base64.b64encode(header + content).decode()


def attack(notebook, world: World) -> None:
    tag = f"<script>{world.mark}</script><img src=x onerror={world.mark}>"
    shown = picture(1, tag.encode())
    bundles = {
        tag: {"image/png": shown},
        f"x.png) ![y](javascript:{world.mark}": {"image/png": [shown, tag]},
        "svg": {"image/svg+xml": f"<svg onload={world.mark}/>", "text/html": tag},
        "quote": {"image/png": f'{shown}"{tag}'},
        "bomb": {"image/png": picture(2**31)},
        "large": {"image/png": picture(1, bytes(2**21))},
        "odd": {"image/png": {"image/png": [1, None, shown]}, tag: tag},
        "list": [tag],
        "none": None,
    }
    many = {f"{i}.png": {"image/png": picture(1, bytes([i % 256] * 20))} for i in range(10_000)}
    references = "\n".join(f"![x](attachment:{name})" for name in bundles)
    for attachments in (bundles, many, [tag], tag, 3):
        cell = new_markdown_cell(f"{tag}\n{references}\n```\n{references}")
        cell["attachments"] = attachments
        notebook.cells.append(cell)
    notebook.cells[0]["attachments"] = bundles
    notebook.cells.append(new_raw_cell(tag))
    notebook.cells[-1]["attachments"] = bundles
