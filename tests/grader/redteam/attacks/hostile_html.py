"""Shows HTML, JavaScript, SVG and Markdown in every output and cell (point 1)."""

from nbformat.v4 import new_markdown_cell, new_raw_cell
from redteam.tools import World, own_cell

BASE = "honest"


def attack(notebook, world: World) -> None:
    tag = f"<script>{world.mark}</script><img src=x onerror={world.mark}>"
    own_cell(
        notebook,
        f"""
        from IPython.display import HTML, SVG, Javascript, Markdown, display

        tag = {tag!r}
        print(tag, chr(27) + "[31m" + tag)
        display(HTML(tag), Javascript(tag), Markdown(tag))
        display({{"text/html": tag, "text/latex": tag, "image/svg+xml": tag}}, raw=True)
        display({{"image/png": tag, "text/plain": tag}}, raw=True)
        raise ValueError(tag)
        """,
    )
    notebook.cells.append(new_markdown_cell(f"{tag}\n```\n{tag}\n~~~\n[x](javascript:{tag})"))
    notebook.cells.append(new_raw_cell(tag))
    notebook.metadata.title = notebook.metadata.kernelspec.display_name = tag
