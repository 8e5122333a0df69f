"""How long `import tinytorch` takes, in times of `import numpy`, each in a new interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import Figure, ratio
from benchmarks.reference import ROOT

LIBRARY = "import tinytorch.core.training, tinytorch.core.networks, tinytorch.datasets"


def figures(quick: bool) -> Iterator[Figure]:
    """Yield the figures of the package, which loads nothing by itself, and of what trains."""
    statements = {"numpy": "import numpy", "tinytorch": "import tinytorch", "library": LIBRARY}
    times: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(3 if quick else 25):
        for name, statement in statements.items():
            times[name].append(_seconds(statement))
    imports = "imports of numpy"
    yield Figure(f"import tinytorch: {imports}", ratio(times, "tinytorch", "numpy"), at_most=1.15)
    yield Figure(
        f"import networks, training and digits: {imports}", ratio(times, "library", "numpy")
    )


def _seconds(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)
