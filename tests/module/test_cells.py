"""What grading relies on in the notebook: its cells, their points and what they may do."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import CodeType

    from conftest import Cell, Notebook

CONTRACT = {
    "CompressionMetrics": {"count_parameters", "calculate_model_size"},
    "calculate_sparsity": set(),
    "prune_weights_by_magnitude": set(),
    "prune_model_by_magnitude": set(),
    "quantize_layer_weights": set(),
    "quantize_layer_weights_per_channel": set(),
    "DistillationLoss": {
        "__init__",
        "__call__",
        "gradient",
        "_softmax",
        "_cross_entropy_loss",
    },
    "compute_neuron_importance": set(),
    "prune_layer_neurons": set(),
    "prune_model_neurons": set(),
    "compare_compression_techniques": set(),
}

POINTS = {
    "test_compression_metrics_comprehensive": 10,
    "test_magnitude_pruning_comprehensive": 20,
    "test_quantization_comprehensive": 20,
    "test_distillation_comprehensive": 15,
    "test_structured_pruning_comprehensive": 15,
    "test_compression_integration_comprehensive": 10,
}

# What a check could look behind the wall with, or leave something with for another cell.
FORBIDDEN = {
    *("breakpoint", "callable", "compile", "delattr", "dir", "eval", "exec", "getattr", "globals"),
    *("hasattr", "help", "id", "input", "locals", "memoryview", "open", "print", "setattr"),
    *("vars", "__import__"),
}


def functions_of(*cells: Cell) -> set[str]:
    return {
        node.name for cell in cells for node in cell.tree.body if isinstance(node, ast.FunctionDef)
    }


def bound_names(cell: Cell) -> set[str]:
    """The names that running a cell binds in the notebook."""
    table = symtable.symtable(cell.source, cell.name, "exec")
    found = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    for node in ast.walk(cell.tree):
        if isinstance(node, ast.Global):
            found |= set(node.names)
    return found


def global_names(table: symtable.SymbolTable) -> set[str]:
    """The global names that a scope and those within it read."""
    found = {s.get_name() for s in table.get_symbols() if s.is_global()}
    return found.union(*map(global_names, table.get_children()))


def shortest_text(node: ast.expr | None) -> str:
    """The text of a message, each filled-in value counted as one word; "" where it is not known."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(values):
            return "".join(map(shortest_text, values))
        case ast.FormattedValue():
            return "x"
        case ast.BinOp(left, ast.Add(), right):
            return shortest_text(left) + shortest_text(right)
        case ast.IfExp(_, body, orelse):
            return min(shortest_text(body), shortest_text(orelse), key=len)
    return ""


def root(node: ast.expr) -> ast.expr:
    """What an expression starts from: `a` in `a.b(1)[2].c`."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def test_every_name_of_the_contract_has_its_solution_cell(notebook: Notebook) -> None:
    solutions = {cell.name: cell for cell in notebook.of_kind("solution")}
    assert solutions.keys() == CONTRACT.keys()
    for name, methods in CONTRACT.items():
        cell = solutions[name]
        assert bound_names(cell) == {name}
        assert cell.source.startswith("#| export\n"), name
        (definition,) = cell.tree.body
        assert ast.get_docstring(definition), name
        if isinstance(definition, ast.ClassDef):
            assert methods <= {node.name for node in definition.body if hasattr(node, "name")}


def test_groups_and_their_points_are_those_of_the_contract(notebook: Notebook) -> None:
    points = dict.fromkeys(POINTS, 0)
    seen = set()
    for cell in notebook.of_kind("test"):
        group, dash, name = cell.name.partition("-")
        assert re.fullmatch("[a-z_]+", name) if dash else not name, cell.name
        assert cell.name not in seen, f"{cell.name} is there twice"
        assert cell.points > 0, cell.name
        seen.add(cell.name)
        points[group] += cell.points
    assert points == POINTS
    assert seen >= POINTS.keys(), "the first cell of a group bears the group's name"
    per_channel = "test_quantization_comprehensive-per_channel"
    assert {c.name: c.points for c in notebook.of_kind("test")}[per_channel] == 4


def test_two_written_questions_of_five_points_with_a_mark_scheme(notebook: Notebook) -> None:
    tasks = notebook.of_kind("task")
    assert [task.points for task in tasks] == [5, 5]
    for task in tasks:
        question, begin, rest = task.source.partition("=== BEGIN MARK SCHEME ===")
        scheme, end, _ = rest.partition("=== END MARK SCHEME ===")
        assert question.strip(), task.name
        assert begin, task.name
        assert scheme.strip(), task.name
        assert end, task.name


def test_first_cell_of_a_group_is_visible(notebook: Notebook) -> None:
    for cell in notebook.of_kind("test"):
        begins = cell.source.count("### BEGIN HIDDEN TESTS\n")
        assert begins == cell.source.count("### END HIDDEN TESTS\n"), cell.name
        assert begins == 0 if cell.name in POINTS else begins <= 1, cell.name


def test_checks_and_experiments_bind_their_own_function_alone(notebook: Notebook) -> None:
    for cell in notebook.of_kind("test"):
        assert bound_names(cell) == {cell.name.replace("-", "_")}, cell.name
    experiments = notebook.of_kind("experiment")
    assert experiments
    for cell in experiments:
        assert bound_names(cell) == {cell.function.name}, cell.name
        assert cell.function.name.startswith("experiment_"), cell.name


def test_checks_call_their_function_and_silence_warnings(notebook: Notebook) -> None:
    for cell in notebook.of_kind("test"):
        assert ast.get_docstring(cell.function), cell.name
        _, call = cell.tree.body
        expected = f"with warnings.catch_warnings(action='ignore'):\n    {cell.function.name}()"
        assert ast.unparse(call) == expected, cell.name


def test_experiments_return_at_once_where_they_are_not_run(notebook: Notebook) -> None:
    for cell in notebook.of_kind("experiment"):
        has_docstring = ast.get_docstring(cell.function) is not None
        first = cell.function.body[has_docstring]
        assert ast.unparse(first) == "if not RUN_EXPERIMENTS:\n    return", cell.name
        _, call = cell.tree.body
        assert ast.unparse(call) == f"{cell.function.name}()", cell.name


def test_imports_stand_in_given_cells(notebook: Notebook) -> None:
    for cell in notebook.cells:
        if cell.kind in ("solution", "test", "experiment"):
            imports = [n for n in ast.walk(cell.tree) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not imports, cell.name


def test_cells_use_given_tools_and_the_contract_only(notebook: Notebook) -> None:
    given = set().union(*map(bound_names, notebook.of_kind("given")))
    known = given | CONTRACT.keys() | set(dir(builtins)) | {"__name__"}
    for cell in notebook.cells:
        if cell.kind in ("solution", "test", "experiment"):
            (table,) = symtable.symtable(cell.source, cell.name, "exec").get_children()
            assert global_names(table) <= known | {table.get_name()}, cell.name


def test_checks_hand_over_data_only(notebook: Notebook) -> None:
    """Functions of a check stay on its side of the wall: a student's function is given none."""
    tools = functions_of(*notebook.of_kind("given"))
    for cell in notebook.of_kind("test"):
        nodes = list(ast.walk(cell.function))
        local = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        variables = {
            n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        callables = ((tools | CONTRACT.keys() | set(dir(builtins))) - variables) | local
        for node in nodes:
            handed_over: list[ast.expr] = []
            if isinstance(node, ast.Tuple | ast.List):  # `outcomes` may take it for a case
                handed_over = [e for e in node.elts if ast.unparse(e) not in dir(builtins)]
            elif isinstance(node, ast.Call):
                start = root(node.func)
                if isinstance(start, ast.Name) and start.id in CONTRACT:
                    handed_over = [*node.args, *(keyword.value for keyword in node.keywords)]
                elif isinstance(start, ast.Name) and start.id == "outcomes":
                    handed_over = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
            for argument in handed_over:
                is_callable = isinstance(argument, ast.Lambda) or (
                    isinstance(argument, ast.Name) and argument.id in callables
                )
                assert not is_callable, f"{cell.name}: {ast.unparse(node)}"


WATCHED = """
from functools import wraps

from grader.inside import codec


def data_only(function, skipped=0):
    @wraps(function)
    def call(*args, **kwargs):
        encoder = codec.Encoder()
        message = encoder.message(encoder.outline([*args[skipped:], kwargs]))
        assert b'["O"' not in message, f"{function.__qualname__} is given {args} {kwargs}"
        return function(*args, **kwargs)

    return call


for name, methods in CONTRACT.items():
    for method in methods:
        setattr(globals()[name], method, data_only(getattr(globals()[name], method), 1))
    if not methods:
        globals()[name] = data_only(globals()[name])
"""


def test_what_checks_hand_over_has_an_encoding(
    notebook: Notebook, reference: list[CodeType]
) -> None:
    """Whatever way a function, a module or a class would be handed over, it would be opaque."""
    watched = compile(f"CONTRACT = {CONTRACT!r}\n{WATCHED}", "<watched>", "exec")
    verdicts = notebook.grade(*reference, watched)
    assert {name: verdict.error for name, verdict in verdicts.items() if verdict.error} == {}


def test_checks_do_not_look_behind_the_wall(notebook: Notebook) -> None:
    for cell in notebook.of_kind("test"):
        for node in ast.walk(cell.function):
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("__") or node.attr == "__name__", (
                    f"{cell.name}: {ast.unparse(node)}"
                )
                assert ast.unparse(node) != "np.random", f"{cell.name}: use check_rng"
            if isinstance(node, ast.Name):
                assert node.id not in FORBIDDEN, f"{cell.name}: {node.id}"
            assert not isinstance(node, ast.Global | ast.Nonlocal), cell.name


def test_checks_change_only_what_they_made_themselves(notebook: Notebook) -> None:
    """No module, class or function that another check, or the student's code, goes on to use."""
    for cell in notebook.of_kind("test"):
        (table,) = symtable.symtable(cell.source, cell.name, "exec").get_children()
        shared = global_names(table)
        for node in ast.walk(cell.function):
            if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(
                node.ctx, ast.Load
            ):
                start = root(node)
                assert not (isinstance(start, ast.Name) and start.id in shared), (
                    f"{cell.name}: {ast.unparse(node)}"
                )


def test_each_random_input_has_its_own_key(notebook: Notebook) -> None:
    keys = [
        ast.unparse(node.args[0])
        for cell in notebook.of_kind("test")
        for node in ast.walk(cell.function)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "check_rng"
    ]
    assert keys
    assert len(set(keys)) == len(keys)


def test_every_assertion_says_in_words_what_does_not_hold(notebook: Notebook) -> None:
    tools = [cell for cell in notebook.of_kind("given") if cell.name == "tools-checks"]
    for cell in [*tools, *notebook.of_kind("test")]:
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.Assert):
                words = shortest_text(node.msg).split()
                assert len(words) >= 4, f"{cell.name}, line {node.lineno}: {ast.unparse(node)}"


def test_every_check_asserts_something(notebook: Notebook) -> None:
    tools = functions_of(*(c for c in notebook.of_kind("given") if c.name == "tools-checks"))
    asserting = {name for name in tools if name.startswith("assert_")}
    for cell in notebook.of_kind("test"):
        calls = {ast.unparse(n.func) for n in ast.walk(cell.function) if isinstance(n, ast.Call)}
        has_assert = any(isinstance(n, ast.Assert) for n in ast.walk(cell.function))
        assert has_assert or calls & asserting, cell.name
        for node in ast.walk(cell.function):
            if isinstance(node, ast.Assert):
                assert not isinstance(node.test, ast.Constant), cell.name
            if isinstance(node, ast.ExceptHandler):
                pytest.fail(f"{cell.name} catches exceptions: use outcomes")
