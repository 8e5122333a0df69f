"""`python -m benchmarks` runs, and its table says what was measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import Figure, Task, measure, ratio

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_figure_of_the_table_is_measured():
    done = benchmarks("--quick")
    assert done.returncode == 0, done.stderr
    for words in [
        "prune 784 x 300: copies",
        "prune 784 x 300: faster than PyTorch",
        "quantize 784 x 300: copies",
        "digits epoch, SGD, batch 32: lean NumPy loops",
        "digits epoch, Adam, batch 128: faster than PyTorch",
        "forward 784-300-100-10, batch 128: its products",
        "forward 784-300-100-10, batch 128: faster at half width",
        "import tinytorch: imports of numpy",
        "all graded cells, CPU seconds",
    ]:
        (line,) = (line for line in done.stdout.splitlines() if line.startswith(words))
        if "PyTorch" not in words:
            assert line.endswith((" met", " missed")), line
    assert "goals met" in done.stdout


def test_an_unknown_topic_is_refused_in_one_line():
    done = benchmarks("speed")
    assert done.returncode == 2
    assert "no topic speed; there are compression, training" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_is_timed_without_its_preparation():
    seen = []
    task = Task(seen.append, lambda: len(seen))
    times = measure({"one": task, "other": Task(lambda _: sum(range(20_000)))}, quick=True)
    assert seen == [0, 1, 2, 3]  # once to warm up, then in each of three rounds
    assert all(value > 1 for value in ratio(times, "other", "one"))
    assert ratio(times, "missing", "one") == []


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        ({"at_most": 2}, "met"),
        ({"at_most": 1.9}, "missed"),
        ({"at_least": 2}, "met"),
        ({"at_least": 2.1}, "missed"),
        ({}, ""),
    ],
)
def test_the_verdict_is_on_the_median(goal, verdict):
    figure = Figure("a figure", [9.0, 1.0, 2.0], **goal)
    assert figure.median == 2
    assert figure.quartiles == (1.5, 5.5)
    assert figure.verdict == verdict


def test_a_figure_that_could_not_be_measured_says_why():
    assert Figure("a figure", [], at_least=8, note="torch is not installed").verdict == (
        "torch is not installed"
    )
