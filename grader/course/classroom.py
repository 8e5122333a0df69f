"""Made-up classes: notebooks as students hand them in, for the demonstration and the benchmarks.

A submission is the release with some of its solution cells written. Right answers come from the
master notebook or from a file with one student's way of writing it all; wrong ones from a file with
one mistake, which defines only the names it gets wrong. Broken ones are made from right ones here.
"""

import ast
import copy
import itertools
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.utils import is_solution

Answers = dict[str, str]
"""The text of solution cells by grade_id, which is the name that the cell defines."""

MARKER = re.compile(r"^\s*### (BEGIN|END) SOLUTION\s*$\n?", re.MULTILINE)


class ClassroomError(Exception):
    """A class that cannot be made from these files; the message says why."""


@dataclass(frozen=True)
class Submission:
    """One made-up student's notebook, and in a few words what is right or wrong with it."""

    student: str
    story: str
    notebook: NotebookNode


@dataclass(frozen=True)
class Classroom:
    """What classes are made of: the release, right answers in several styles, and mistakes."""

    release: NotebookNode
    styles: Sequence[Answers]
    mistakes: Mapping[str, Answers]

    @classmethod
    def open(cls, release: NotebookNode, source: NotebookNode, tests: Path) -> "Classroom":
        """Styles: the source's answers, then those of `tests`/wheats; mistakes: `tests`/chaffs."""
        reference = solutions(source)
        names = list(reference)
        styles = [answers_in(path, names) for path in sorted((tests / "wheats").glob("*.py"))]
        mistakes = {
            path.stem: answers_in(path, names) for path in sorted((tests / "chaffs").glob("*.py"))
        }
        return cls(release, [reference, *styles], mistakes)

    def write(self, answers: Answers) -> NotebookNode:
        """The release with these solution cells written, the others untouched."""
        notebook = copy.deepcopy(self.release)
        for cell in notebook.cells:
            if is_solution(cell):
                cell.source = answers.get(cell.metadata.nbgrader.grade_id, cell.source)
        return notebook

    def mistaken(self, mistake: str) -> Answers:
        """The reference with one mistake."""
        if mistake not in self.mistakes:
            raise ClassroomError(f"the module's tests have no chaff {mistake}.py")
        return self.styles[0] | self.mistakes[mistake]


def make_class(classroom: Classroom, count: int, seed: int) -> list[Submission]:
    """`count` submissions: 85 % right in several styles, half of the rest wrong, half broken."""
    random = Random(seed)
    right = round(0.85 * count)
    broken = itertools.cycle(BREAKAGES)
    stories = ["all right"] * right
    stories += ["one mistake" if i % 2 else next(broken) for i in range(count - right)]
    random.shuffle(stories)
    made = []
    for number, kind in enumerate(stories, 1):
        story, answers = kind, random.choice(classroom.styles)
        if kind == "one mistake":
            story = random.choice(list(classroom.mistakes))
            answers = classroom.mistaken(story)
        elif kind in BREAKAGES:
            answers = BREAKAGES[kind](answers)
        student = f"made-up-{number:04d}"
        notebook = classroom.write(answers)
        notebook.cells.append(new_markdown_cell(f"Notes of {student}.", id="notes"))
        made.append(Submission(student, story, notebook))
    return made


def solutions(source: NotebookNode) -> Answers:
    """The solution cells of a master notebook, without the markers around the solutions."""
    return {
        cell.metadata.nbgrader.grade_id: MARKER.sub("", cell.source)
        for cell in source.cells
        if is_solution(cell) and cell.cell_type == "code"
    }


def answers_in(path: Path, names: Sequence[str]) -> Answers:
    """The cells that a student with this code would have handed in.

    Each definition of one of `names` goes to its cell; all else, helpers and constants, goes before
    the first of them, where the rest can use it.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    answers: Answers = {}
    helpers = []
    start = 0
    for node in ast.parse(text).body:
        chunk = "\n".join(lines[start : node.end_lineno]).strip("\n")
        start = node.end_lineno or start
        name = _defined(node)
        if name in names:
            answers[name] = chunk
        elif not _is_docstring(node) and name != "GROUP":  # which tells what a chaff costs
            helpers.append(chunk)
    ordered = {name: "#| export\n" + answers[name] for name in names if name in answers}
    if not ordered:
        raise ClassroomError(f"{path} defines none of {', '.join(names)}")
    first = next(iter(ordered))
    ordered[first] = "\n\n\n".join(["#| export", *helpers, answers[first]])
    return ordered


def half_finished(answers: Answers) -> Answers:
    """The first half of the cells; the others as they were handed out."""
    return dict(list(answers.items())[: len(answers) // 2])


def untouched(answers: Answers) -> Answers:
    """Nothing written."""
    return {}


def syntax_error(answers: Answers, name: str = "quantize_layer_weights") -> Answers:
    """One cell that does not parse: a last line whose parenthesis is not closed."""
    return answers | {name: f'{answers[name]}\n\nprint("done"'}


def endless_loop(answers: Answers, name: str = "compute_neuron_importance") -> Answers:
    """One function that never returns."""
    return _begin_with("while True:\n    pass", answers, name)


def crash(answers: Answers, name: str = "calculate_sparsity") -> Answers:
    """One function that takes the whole process down."""
    return _begin_with("import os\nos._exit(1)", answers, name)


BREAKAGES: dict[str, Callable[[Answers], Answers]] = {
    "half finished": half_finished,
    "untouched": untouched,
    "a syntax error": syntax_error,
    "an endless loop": endless_loop,
    "a crash": crash,
}


def _begin_with(statements: str, answers: Answers, name: str) -> Answers:
    """Put statements first in the body of the function that a cell is named after."""
    lines = answers[name].splitlines()
    function = next(
        node
        for node in ast.parse(answers[name]).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    )
    body = function.body[1] if _is_docstring(function.body[0]) else function.body[0]
    indented = textwrap.indent(statements, " " * body.col_offset).splitlines()
    return answers | {
        name: "\n".join([*lines[: body.lineno - 1], *indented, *lines[body.lineno - 1 :]])
    }


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _defined(node: ast.stmt) -> str:
    """The name that a statement defines, if it defines just one."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return str(getattr(node, "name", ""))
