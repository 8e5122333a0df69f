"""How long the whole notebook runs, and what its graded cells cost a grader for each student."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator

import nbclient
import nbformat

from benchmarks import THREADS
from benchmarks.measure import Figure
from benchmarks.reference import NOTEBOOK, ROOT, cells, load


def figures(quick: bool) -> Iterator[Figure]:
    """Yield the seconds of the notebook in a kernel, and the CPU seconds of its graded cells."""
    graded = [_graded_cells() for _ in range(1 if quick else 15)]
    yield Figure("all graded cells, CPU seconds", graded, "s", at_most=0.15)
    if not quick:
        yield Figure("the whole notebook, seconds", [_whole_notebook()], "s", at_most=60)


def _graded_cells() -> float:
    names = load()
    codes = [compile(source, str(NOTEBOOK), "exec") for source in cells()[1]]
    start = time.process_time()
    for code in codes:
        exec(code, names)  # noqa: S102 - our own notebook
    return time.process_time() - start


def _whole_notebook() -> float:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    free = {name: value for name, value in os.environ.items() if name not in THREADS}
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            notebook,
            timeout=600,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        start = time.perf_counter()
        client.execute(env=free | {"PYTHONPATH": str(ROOT)})
        return time.perf_counter() - start
