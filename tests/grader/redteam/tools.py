"""What attacks are made of: where they strike (`World`) and how they get into a notebook."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from redteam.course import cell


@dataclass(frozen=True)
class World:
    """What lies outside an attack's own folder, all of it known to the attack.

    mark: a word in the name of everything an attack leaves behind; printed with " reached" where
    an attack sees that it succeeded. port, abstract: where loopback and an abstract socket listen.
    """

    course: Path
    canary: Path
    neighbour: Path
    mark: str
    port: int
    abstract: str
    grader: int

    @property
    def constants(self) -> str:
        """The lines that tell student code all this."""
        values = {
            name.upper(): str(value) if isinstance(value, Path) else value
            for name, value in vars(self).items()
        }
        lines = [f"{name} = {value!r}" for name, value in values.items()]
        return "\n".join([*lines, 'REACHED = MARK + " reached"\n'])


def own_cell(notebook: NotebookNode, source: str, at: int = 3) -> None:
    """Insert a code cell of the student's own; 3 is before the first answer."""
    notebook.cells.insert(at, new_code_cell(textwrap.dedent(source).strip()))


def answer(notebook: NotebookNode, name: str, source: str) -> None:
    """Write an answer."""
    cell(notebook, name).source = textwrap.dedent(source).strip()


def in_scale(notebook: NotebookNode, source: str) -> None:
    """Run lines at the beginning of each call of `scale`; `given` holds its arguments."""
    body = textwrap.indent(textwrap.dedent(source).strip(), "    ")
    answer(
        notebook,
        "scale",
        f"def scale(values, factor=2.0):\n    given = values, factor\n{body}\n"
        "    return np.asarray(values) * factor",
    )


def everywhere(notebook: NotebookNode, world: World, source: str) -> None:
    """Run lines in the first cell, in each call of `scale`, and in the last cell."""
    body = textwrap.indent(textwrap.dedent(source).strip(), "    ")
    own_cell(notebook, f"{world.constants}\ndef strike(given=()):\n{body}\n\nstrike()")
    in_scale(notebook, "strike(given)")
    own_cell(notebook, "strike()", len(notebook.cells))


def forge(notebook: NotebookNode, returned: str) -> None:
    """Answer everything with one expression."""
    answer(notebook, "scale", f"def scale(values, factor=2.0):\n    return {returned}")
    answer(notebook, "prune", f"def prune(layer, ratio=0.5):\n    return {returned}")
    answer(
        notebook,
        "Loss",
        f"""
class Loss:
    def __init__(self, weight=1.0):
        pass

    def __call__(self, predicted, expected):
        return {returned}
""",
    )
