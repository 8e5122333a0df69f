"""Whole submissions through the wall: what they earn, and that their neighbours never notice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import is_grade
from wall_course import (
    ANSWERS,
    TOKEN,
    TOTAL,
    answers,
    assignment,
    cell_of,
    notebook,
    submission,
)

from grader.wall.examine import ExaminationLost, Examined, Wall
from grader.wall.sandbox import Limits, WallError

LIMITS = Limits(
    cell_seconds=2,
    check_seconds=2,
    submission_seconds=40,
    grace_seconds=0.3,
    memory_mb=300,
    output_kb=20,
)


@pytest.fixture(scope="module")
def patient_wall() -> Iterator[Wall]:
    """For cells that import matplotlib, which takes seconds on a busy machine."""
    with Wall(assignment(), replace(LIMITS, cell_seconds=20)) as wall:
        yield wall


@pytest.fixture(scope="module")
def wall() -> Iterator[Wall]:
    with Wall(assignment(), LIMITS, hidden=(Path(__file__).parents[2],)) as wall:
        yield wall


def examine(wall: Wall, given: dict[str, str] | None = None, *added: str) -> Examined:
    return wall.examine(submission(notebook(given, *added)), 5)


def earned(examined: Examined) -> dict[str, float]:
    return {verdict.grade_id: verdict.points for verdict in examined.verdicts}


def messages(examined: Examined) -> dict[str, str]:
    return {verdict.grade_id: verdict.message for verdict in examined.verdicts}


def timed_out(examined: Examined) -> set[str]:
    """The graded cells among those that a limit on time kept from finishing."""
    cells = (examined.notebook.cells[i] for i in examined.timed_out)
    return {cell.metadata.nbgrader.grade_id for cell in cells if is_grade(cell)}


def lost(examined: Examined) -> set[str]:
    return {verdict.grade_id for verdict in examined.verdicts if not verdict.passed}


SPARSITY = {"test_sparsity", "test_sparsity-random"}
PRUNE = {"test_prune", "test_prune-refuses"}


def test_right_answers_earn_every_point(wall: Wall) -> None:
    examined = examine(wall)
    assert examined.points == TOTAL, messages(examined)
    nbformat.validate(examined.notebook)


def test_untouched_release_earns_nothing_and_says_what_is_missing(wall: Wall) -> None:
    examined = examine(wall, {})
    assert examined.points == 0
    assert all("this is where your own code goes" in text for text in messages(examined).values())


def test_examining_twice_gives_the_same(wall: Wall) -> None:
    first, second = examine(wall), examine(wall)
    assert first.notebook == second.notebook
    assert messages(first) == messages(second)


def test_a_mistake_costs_its_own_property(wall: Wall) -> None:
    wrong = "def prune(layer, ratio=0.5):\n    layer.weights.data[...] = 0\n    return layer, {}"
    examined = examine(wall, answers(prune=wrong))
    assert lost(examined) == PRUNE
    assert messages(examined)["test_prune"] == "12 weights must be 0, 24 are"


def test_an_exception_is_told_with_the_own_line_and_no_more(wall: Wall) -> None:
    wrong = "def sparsity(layer):\n    return {}['no such key']"
    message = messages(examine(wall, answers(sparsity=wrong)))["test_sparsity-random"]
    assert message == (
        "sparsity raised KeyError: 'no such key' (your line 2: `return {}['no such key']`)"
    )


def test_an_exception_that_is_two_builtin_ones_is_both(wall: Wall) -> None:
    both = "class BadRatio(TypeError, ValueError):\n    pass"
    prune = ANSWERS["prune"].replace("raise ValueError", "raise BadRatio")
    assert "BadRatio" in prune
    assert examine(wall, answers(prune=prune), both).points == TOTAL
    neither = both.replace("ValueError", "LookupError")
    assert lost(examine(wall, answers(prune=prune), neither)) == {"test_prune-refuses"}


@pytest.mark.parametrize(
    "loop",
    [
        "while True:\n        pass",
        "while True:\n        try:\n            while True:\n                pass\n"
        "        except BaseException:\n            pass",
        "import time\n    time.sleep(1000)",
    ],
    ids=["interruptible", "swallows interrupts", "sleeps"],
)
def test_an_endless_loop_costs_the_checks_that_call_it(wall: Wall, loop: str) -> None:
    examined = examine(wall, answers(sparsity=f"def sparsity(layer):\n    {loop}"))
    assert lost(examined) == SPARSITY
    assert messages(examined)["test_sparsity"] == "sparsity: it did not finish within 2 s"
    assert timed_out(examined) == SPARSITY


@pytest.mark.parametrize(
    "text", ["'x' * 500", "'x' * 150 + chr(10) + 'second'"], ids=["long", "lines"]
)
@pytest.mark.parametrize(
    "said",
    [
        "'raised', ['ValueError'], 'K' * 3000, TEXT, (3, 'l' * 3000)",
        "'unreadable', 'K' * 3000, TEXT",
        "",
    ],
    ids=["forged", "forged as unreadable", "raised"],
)
def test_of_an_exception_the_first_line_is_told_and_200_characters(
    wall: Wall, said: str, text: str
) -> None:
    forging = f"""TEXT = {text}
def sparsity(layer):
    import os, struct
    from grader.inside import codec
    if said := ({said}):
        answer = codec.Encoder(number=False).message("", [], [said])
        os.write(10, struct.pack("<I", len(answer)) + answer)
        os._exit(0)
    raise ValueError(TEXT)"""
    message = messages(examine(wall, answers(sparsity=forging)))["test_sparsity"]
    assert "x" * 150 in message
    assert "x" * 201 not in message
    assert "second" not in message
    assert "\n" not in message
    assert len(message) < 600


def test_experiments_are_those_of_the_master_whatever_the_tags_say(wall: Wall) -> None:
    node = notebook()
    experiment = cell_of(node, "experiment-draw")
    experiment.metadata.tags = []
    experiment.source = "def sparsity(layer): return 7"
    for name in ANSWERS:
        cell_of(node, name).metadata.tags = ["experiment"]
    examined = wall.examine(submission(node), 5)
    assert examined.points == TOTAL, messages(examined)
    shown = cell_of(examined.notebook, "experiment-draw").outputs
    assert [output.output_type for output in shown] == ["stream"], "only the mark"


def test_what_a_function_prints_in_a_check_that_fails_is_for_staff_alone(wall: Wall) -> None:
    loud = "def sparsity(layer):\n    print('seen', layer.input_size)\n    return 2.0"
    examined = examine(wall, answers(sparsity=loud))
    printed = {verdict.grade_id: verdict.printed for verdict in examined.verdicts}
    assert (printed["test_sparsity"], printed["test_sparsity-random"]) == ("seen 2\n", "seen 5\n")
    outputs = [cell.get("outputs") for cell in examined.notebook.cells]
    assert lost(examined) == SPARSITY
    assert "seen" not in str(outputs)


def test_an_endless_cell_is_stopped_and_the_rest_is_graded(wall: Wall) -> None:
    examined = examine(wall, None, "print('before')\nwhile True:\n    pass")
    assert examined.points == TOTAL
    cell = examined.notebook.cells[4]
    assert cell.outputs[0].text == "before\n"
    assert cell.outputs[-1].evalue == "it did not finish within 2 s"
    assert any("was stopped" in note for note in examined.notes)
    assert examined.timed_out == (4,)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import os; os._exit(7)", "it ended Python (exit code 7)"),
        ("import sys; sys.exit(0)", "raised SystemExit: 0"),
        ("import ctypes; ctypes.string_at(0)", "it crashed Python (Segmentation fault)"),
        ("x = bytearray(600 * 2**20); return len(x)", "raised MemoryError"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    ],
)
def test_what_ends_a_process_costs_the_check_that_called_it(
    wall: Wall, body: str, why: str
) -> None:
    examined = examine(wall, answers(sparsity=f"def sparsity(layer):\n    {body}"))
    assert lost(examined) == SPARSITY
    assert why in messages(examined)["test_sparsity"]


def test_memory_of_all_processes_together_is_limited(wall: Wall) -> None:
    body = """import os, time
    for _ in range(6):
        if os.fork() == 0:
            x = bytearray(100 * 2**20)
            time.sleep(60)
    time.sleep(60)"""
    examined = examine(wall, answers(sparsity=f"def sparsity(layer):\n    {body}"))
    assert lost(examined) == SPARSITY
    assert "needed more than 300 MB" in messages(examined)["test_sparsity"]


@pytest.mark.parametrize(
    "busy",
    [
        "while True: pass",
        "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        while True: pass\n"
        "time.sleep(20)",
    ],
    ids=["one process", "its children"],
)
def test_processor_time_is_limited(busy: str) -> None:
    limits = Limits(cell_seconds=20, check_seconds=5, cpu_seconds=2)
    with Wall(assignment(), limits) as wall:
        examined = examine(wall, None, busy)
    assert examined.points == TOTAL
    stopped = examined.notebook.cells[4].outputs[-1]
    assert stopped.evalue == "it used more than 2 s of processor time"


def test_processor_time_counts_over_all_processes_of_a_submission() -> None:
    """A process that is made anew has what is left, not all of it."""
    spend = (
        "import os, time\nend = time.process_time() + 1.4\nwhile time.process_time() < end: pass"
    )
    limits = Limits(cell_seconds=20, check_seconds=5, cpu_seconds=2)
    with Wall(assignment(), limits) as wall:
        examined = examine(wall, None, f"{spend}\nos._exit(0)", spend)
    assert "2 s of processor time" in examined.notebook.cells[5].outputs[-1].evalue


def test_a_fork_bomb_harms_nobody(wall: Wall) -> None:
    body = "import os\n    while True:\n        try:\n            os.fork()\n" + (
        "        except OSError:\n            pass"
    )
    examined = examine(wall, answers(sparsity=f"def sparsity(layer):\n    {body}"))
    assert lost(examined) == SPARSITY
    assert examine(wall).points == TOTAL


def test_the_state_before_a_crash_is_rebuilt(wall: Wall) -> None:
    """The functions of the cells before it are there for the checks after it."""
    examined = examine(wall, None, "helper = 1", "import os\nif helper: os._exit(1)")
    assert examined.points == TOTAL


def test_what_a_cell_defined_before_it_was_interrupted_is_rebuilt(wall: Wall) -> None:
    loops = f"{ANSWERS['sparsity']}\nwhile True:\n    pass"
    examined = examine(wall, answers(sparsity=loops), "import os\nos._exit(1)")
    assert examined.points == TOTAL, messages(examined)


def test_a_cell_that_ends_the_process_when_it_is_run_again_costs_no_other_cell(wall: Wall) -> None:
    end = time.time() + 1.5
    once = f"import os, time\nif time.time() > {end}:\n    os._exit(1)"
    lose = f"time.sleep(max(0, {end} - time.time()))\nos._exit(1)"
    examined = examine(wall, None, once, "import os, time", lose)
    assert examined.points == TOTAL, messages(examined)


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ("while True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass",
         "it did not finish within 2 s"),
        ("os._exit(3)", "it ended Python (exit code 3)"),
        ("import ctypes; ctypes.string_at(0)", "it crashed Python (Segmentation fault)"),
        ("for _ in range(6):\n    if os.fork() == 0: break\nx = bytearray(100 * 2**20)\n"
         "time.sleep(60)", "it needed more than 300 MB of memory"),
    ],
    ids=["swallows interrupts", "exits", "crashes", "memory"],
)  # fmt: skip
def test_what_a_cell_printed_before_its_process_was_lost_is_shown(
    wall: Wall, end: str, why: str
) -> None:
    before = "print('of the cell before')"
    lines = (
        "import os, sys, time\nprint('first', 'li\u00f1e')\nprint(chr(0xDC80), file=sys.stderr)\n"
    )
    cells = examine(wall, None, before, lines + end).notebook.cells
    assert [cell.get("text", cell.get("evalue")) for cell in cells[5].outputs] == [
        "first li\u00f1e\n?\n",
        why,
    ]


def test_what_a_lost_process_left_is_bounded_and_the_last_cells_alone(wall: Wall) -> None:
    forge = "os.ftruncate(12, 2**23)\nos._exit(0)"
    kill = "import os\nfor _ in range(9_000): print('x' * 9)\nos._exit(0)"
    examined = examine(wall, None, kill, "import os\nos._exit(0)", f"import os\n{forge}")
    assert examined.points == TOTAL
    flood, silent, forged = (examined.notebook.cells[i].outputs for i in (4, 5, 6))
    assert len(flood[0].text) < 21_000
    assert flood[0].text.endswith("[the rest of the output was cut off]\n")
    assert [output.output_type for output in silent] == ["error"]
    assert len(forged[0].text) < 50_000


def test_output_is_bounded(wall: Wall) -> None:
    flood = "for _ in range(20_000):\n    print('x' * 1000)"
    examined = examine(wall, None, flood)
    assert examined.points == TOTAL
    text = "".join(o.get("text", "") for o in examined.notebook.cells[4].outputs)
    assert len(text) < 25_000
    assert "cut off" in text


def test_submission_time_is_limited() -> None:
    limits = Limits(cell_seconds=5, check_seconds=5, submission_seconds=1, grace_seconds=0.2)
    with Wall(assignment(), limits) as wall:
        examined = examine(wall, None, "import time\ntime.sleep(4)")
    assert examined.points == 0
    assert set(messages(examined).values()) == {"the 1 s for the whole submission are up"}
    assert timed_out(examined) == set(messages(examined))


@pytest.mark.parametrize(
    "careless",
    [
        "import warnings; warnings.warn('careful')\nprint('x', file=__import__('sys').stderr)",
        "import os; os.chdir('/')",
        "import sys; sys.stdout.close(); sys.stderr.close()",
        "import os; os.close(1); os.close(2)",
        "import os; os.close(0)",
        "np.random.seed(1); np.random.rand(100); import random; random.random()",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "input('name? ')",
        "help(np.count_nonzero)",
        "open('mine.py', 'w').write('x = 1')\nimport mine\nassert mine.x == 1",
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import numpy, tinytorch'], check=True)",
        "list = [1]; dict = {}; print = None; len = 3",
        "import warnings; warnings.catch_warnings = None",
        "np.seterr(all='raise')\nimport warnings\nwarnings.simplefilter('error')",
        "%matplotlib inline\n%timeit -n 1 -r 1 1 + 1\n!echo hello",
        "raise ValueError('in my own cell')",
        "def broken(:",
        "import sys; sys.setrecursionlimit(60)",
        "exit()",
        "from tinytorch.core.layers import Dense as Sequential",
        "import asyncio\nasync def f(): return 1\nawait f()",
        "import threading\nthreading.Thread(target=print, args=('x',)).start()",
    ],
)
def test_careless_cells_cost_nothing(wall: Wall, careless: str) -> None:
    examined = examine(wall, None, careless, "def after():\n    pass")
    assert examined.points == TOTAL, messages(examined)


@pytest.mark.parametrize("left_in", ["%pdb on", "1 / 0", "import pdb; pdb.set_trace()"])
def test_a_debugger_that_nobody_answers_ends(wall: Wall, left_in: str) -> None:
    examined = examine(wall, None, left_in, "%debug", "1 / 0")
    assert examined.points == TOTAL, messages(examined)
    assert examined.timed_out == ()


def test_a_breakpoint_left_in_a_function_costs_no_time_limit(wall: Wall) -> None:
    examined = examine(wall, answers(sparsity="def sparsity(layer):\n    breakpoint()"))
    assert lost(examined) == SPARSITY
    assert examined.timed_out == ()


def test_an_error_of_a_cells_syntax_is_told_once(wall: Wall) -> None:
    unfinished = "def broken():\n    return 1\n  return 2"
    [error] = examine(wall, None, unfinished).notebook.cells[4].outputs
    assert "shell.py" not in "".join(error.traceback)
    assert "".join(error.traceback).count("IndentationError") == 1


def test_a_definition_shows_what_it_prints_and_raises(wall: Wall) -> None:
    body = "class Own:\n    shell = get_ipython()\n    print('in the body')\n    1 / 0"
    printed, error = examine(wall, None, body).notebook.cells[4].outputs
    assert printed.text == "in the body\n"
    assert error.ename == "ZeroDivisionError"
    assert "----> 4 1 / 0" in "".join(error.traceback)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("def own():\n    return 1\n\nown()", "1"),
        ("def own():\n    return 1\n5", "5"),
        ("'''a\ndef own():\n    '''", r"'a\ndef own():\n    '"),
        ("str('''\ndef own():\n    '''.strip())", "'def own():'"),
        ("def own():\n    return 2\n\nown(\n)", "2"),
        ("own = '''\ndef '''; own", r"'\ndef '"),
        ("'''\ndef own()'''.strip()", "'def own()'"),
        ("def own(): return 1\n\f5", "5"),
        ("def own(): return 1\r5", "5"),
    ],
)
def test_a_cell_with_definitions_shows_the_value_at_its_end(
    wall: Wall, cell: str, shown: str
) -> None:
    [output] = examine(wall, None, cell).notebook.cells[4].outputs
    assert output.data["text/plain"] == shown


def test_statements_before_a_definition_are_run_as_in_a_notebook(wall: Wall) -> None:
    before = "'a value that is not shown'\nprint('shown')\ndef own():\n    pass\n"
    cell = f"{before}1 / 0\nclass Own:\n    pass"
    printed, error = examine(wall, None, cell).notebook.cells[4].outputs
    assert printed.text == "shown\n"
    assert "----> 5 1 / 0" in "".join(error.traceback)


def test_a_cell_may_ask_for_each_value_to_be_shown(wall: Wall) -> None:
    wish = "get_ipython().ast_node_interactivity = 'all'"
    [output] = examine(wall, None, wish, "5\ndef own():\n    pass").notebook.cells[5].outputs
    assert output.data["text/plain"] == "5"


def test_hooks_for_cells_wait_for_definitions_too(wall: Wall) -> None:
    hook = "get_ipython().events.register('pre_run_cell', lambda info: print(info.raw_cell))"
    definition = "def own():\n    pass"
    [output] = examine(wall, None, hook, definition).notebook.cells[5].outputs
    assert output.text == f"{definition}\n"


def test_careless_functions_cost_nothing(patient_wall: Wall) -> None:
    noise = """def sparsity(layer):
    import os, sys, warnings
    warnings.warn("careful")
    print("debug" + "ging", layer)
    print("worse", file=sys.stderr)
    plt.plot([1]); plt.show()
    os.chdir("/")
    np.random.seed(3)
    return np.float64(np.mean(layer.weights.data == 0))"""
    examined = examine(patient_wall, answers(sparsity=noise), "import matplotlib.pyplot as plt")
    assert examined.points == TOTAL, messages(examined)
    printed = {verdict.grade_id: verdict.printed for verdict in examined.verdicts}
    assert "debugging" in printed["test_sparsity-random"]
    assert "debugging" not in str(examined.notebook)


def test_pictures_of_own_cells_are_shown(patient_wall: Wall) -> None:
    drawing = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n'done'"
    outputs = examine(patient_wall, None, drawing).notebook.cells[4].outputs
    assert outputs[0].data["text/plain"] == "'done'"
    assert outputs[1].data["image/png"].startswith("iVBOR")


def test_a_picture_of_a_definition_is_shown_with_it(wall: Wall) -> None:
    drawing = "class Own:\n    plt.plot([1, 2])"
    cells = examine(wall, None, "import matplotlib.pyplot as plt", drawing, "x = 1").notebook.cells
    assert [len(cell.outputs) for cell in cells[4:7]] == [0, 1, 0]
    assert cells[5].outputs[0].data["image/png"].startswith("iVBOR")


def test_a_picture_that_is_too_large_is_left_out_and_told() -> None:
    drawing = "import matplotlib.pyplot as plt\nplt.imshow(np.random.rand(300, 300))\nplt.show()"
    with Wall(assignment(), Limits(picture_kb=8)) as wall:
        outputs = examine(wall, None, drawing).notebook.cells[4].outputs
    assert not any("image/png" in output.get("data", {}) for output in outputs)
    assert "[a picture was left out: a cell may have 8 KB of them]" in "".join(
        output.get("text", "") for output in outputs
    )


def test_nothing_hidden_is_shown(wall: Wall) -> None:
    for given in (None, {}):
        assert TOKEN not in str(examine(wall, given).notebook)


def test_hidden_inputs_follow_the_seed(wall: Wall) -> None:
    tell = "def sparsity(layer):\n    raise ValueError(layer.weights.data.sum())"
    told = submission(notebook(answers(sparsity=tell)))
    first, again, other = (messages(wall.examine(told, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first["test_sparsity"] == other["test_sparsity"]
    assert first["test_sparsity-random"] != other["test_sparsity-random"]


@pytest.mark.parametrize(
    "value",
    ["object()", "lambda: 1", "(i for i in [1])", "[object()]", "10**400", "np.array([object()])"],
)
def test_a_value_without_encoding_fails_the_check_that_uses_it(wall: Wall, value: str) -> None:
    examined = examine(wall, answers(sparsity=f"def sparsity(layer):\n    return {value}"))
    assert lost(examined) == SPARSITY


def test_an_extra_entry_without_encoding_costs_nothing(wall: Wall) -> None:
    extra = ANSWERS["prune"].replace('"shape":', '"why": object(), object(): 1, "shape":')
    assert examine(wall, answers(prune=extra)).points == TOTAL


@pytest.mark.parametrize(
    "extra",
    [
        "info['all'] = list(range(300_000))",
        "info['large'] = np.zeros(20_000_000)",
        "info['self'] = info",
        "info['deep'] = []\n    for _ in range(200): info['deep'] = [info['deep']]",
    ],
)
def test_an_extra_entry_that_is_too_large_costs_nothing(wall: Wall, extra: str) -> None:
    returned = 'return layer, {"sparsity": float(np.mean(flat == 0)), "shape": layer.weights.shape}'
    assert returned in ANSWERS["prune"]
    longer = ANSWERS["prune"].replace(
        returned,
        f"info = {returned.removeprefix('return layer, ')}\n    {extra}\n    return layer, info",
    )
    examined = examine(wall, answers(prune=longer))
    assert examined.points == TOTAL, messages(examined)


def test_a_long_double_counts_as_a_number(wall: Wall) -> None:
    longer = "def sparsity(layer):\n    return np.longdouble(np.mean(layer.weights.data == 0))"
    assert examine(wall, answers(sparsity=longer)).points == TOTAL


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        (
            "import threading, time; threading.stack_size(2**16)\n"
            "    for _ in range(99): threading.Thread(target=time.sleep, args=(1,)).start()",
            "32 processes",
        ),
        (
            "import os, time\n    for _ in range(99): os.fork() or time.sleep(9) or os._exit(0)",
            "32 processes",
        ),
        ("return [open('x', 'w') for _ in range(99)]", "64 open files"),
        ("open('x', 'wb').write(bytes(20 * 2**20))", "16 MB a file"),
        (
            "return [open(str(i), 'wb').write(bytes(15 * 2**20)) for i in range(9)]",
            "64 MB of files",
        ),
        ("for i in range(3000): open(str(i), 'w').close()", "64 MB of files, 2000 of them"),
        ("return np.zeros(10**10).sum()", "300 MB of memory"),
    ],
)
def test_a_limit_is_named_where_it_is_reached(wall: Wall, body: str, limit: str) -> None:
    given = answers(sparsity=f"def sparsity(layer):\n    {body}")
    examined = wall.examine(submission(notebook(given, f"def mine():\n    {body}\nmine()")), 5)
    assert f"(at most {limit}" in messages(examined)["test_sparsity"]
    shown = examined.notebook.cells[4].outputs[-1]
    assert f"(at most {limit}" in shown.evalue
    assert f"(at most {limit}" in shown.traceback[-1]


def test_objects_that_equal_everything_earn_nothing(wall: Wall) -> None:
    liar = """class Liar(float):
    def __eq__(self, other): return True
    __hash__ = None
    def __sub__(self, other): return Liar(0)
    def __abs__(self): return Liar(0)
    def __lt__(self, other): return True
def sparsity(layer):
    return Liar(0.123)"""
    assert lost(examine(wall, answers(sparsity=liar))) == SPARSITY


def test_the_answer_in_a_cell_without_its_id_counts(wall: Wall) -> None:
    node = notebook()
    node.cells[3].metadata = {}
    assert wall.examine(submission(node)).points == TOTAL


def test_a_class_made_by_other_means_works_the_same(wall: Wall) -> None:
    made = """class Base:
    factor = 2.0
    def __call__(self, x): return x * self.factor
class Other(Base):
    @property
    def gradient(self): return lambda x: np.full_like(x, self.factor)
def Scale(factor=2.0):
    other = Other(); other.factor = factor
    return other"""
    assert examine(wall, answers(Scale=made)).points == TOTAL


def test_unprotected_and_protected_give_the_same(wall: Wall) -> None:
    with Wall(assignment(), LIMITS, protected=False) as unprotected:
        for given in (None, {}, answers(prune="def prune(layer, ratio=0.5):\n    return 3")):
            assert messages(examine(unprotected, given)) == messages(examine(wall, given))


def test_a_lost_examiner_costs_one_submission(wall: Wall) -> None:
    wall.start()
    assert wall._process is not None
    wall._process.kill()
    with pytest.raises(ExaminationLost):
        examine(wall)
    assert examine(wall).points == TOTAL


def descendants(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return [found for child in children for found in (child, *descendants(child))]


def lives(pid: int) -> bool:
    """Whether it is there, and not a zombie."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_nothing_stays_behind() -> None:
    """The end of the process that held the wall ends everything it started."""
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from wall_course import *; from grader.wall.examine import Wall\n"
        "wall = Wall(assignment()); wall.start(); print('up', flush=True); sys.stdin.read()"
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    command = [sys.executable, "-c", script, *paths]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        started = descendants(holder.pid)
        assert len(started) > 2
        holder.kill()
    end = time.monotonic() + 10
    while left := [pid for pid in started if lives(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.02)


def test_a_failing_given_cell_stops_the_grading() -> None:
    broken = assignment().given[0]
    cells = [c for c in assignment().cells if c is not broken]
    bad = replace(broken, source="import no_such_module")
    master = replace(assignment(), cells=(bad, *cells))
    with Wall(master) as wall, pytest.raises(WallError, match="no_such_module"):
        wall.start()


def test_a_check_that_hangs_by_itself_is_stopped(wall: Wall) -> None:
    """Not in the student's code but in the graded cell; the next submission is examined as ever."""
    check = assignment().by_id["test_sparsity"]
    endless = replace(check, source="sparsity(Dense(2, 2))\nwhile True:\n    pass")
    cells = tuple(endless if cell is check else cell for cell in assignment().cells)
    with Wall(replace(assignment(), cells=cells), LIMITS) as other:
        for _ in range(2):
            examined = examine(other)
            assert lost(examined) == {"test_sparsity"}
            assert messages(examined)["test_sparsity"] == "the check did not finish within 2 s"
            assert timed_out(examined) == {"test_sparsity"}
