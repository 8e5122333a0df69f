"""Print the table of figures: each row as soon as it is measured."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
from importlib.metadata import version

from benchmarks import THREADS
from benchmarks.measure import Figure

TOPICS = ("compression", "training", "forward", "imports", "notebook")
ROW = "{:<62} {:>14} {:>9} {:>17}  {}"


def main() -> None:
    """Measure the topics named on the command line, all of them without."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="topic", help=", ".join(TOPICS))
    parser.add_argument("--quick", action="store_true", help="see that it runs: few rounds, small")
    options = parser.parse_args()
    unknown = set(options.topics) - set(TOPICS)
    if unknown:
        parser.error(f"no topic {', '.join(sorted(unknown))}; there are {', '.join(TOPICS)}")

    for variable in THREADS:  # the topics load NumPy, and are loaded below
        os.environ[variable] = "1"
    print(f"Python {platform.python_version()}, NumPy {version('numpy')}, one thread")
    print("median over the rounds; spread: the middle half of them\n")
    print(ROW.format("figure", "goal", "median", "spread", ""))
    measured = []
    for topic in options.topics or TOPICS:
        for figure in importlib.import_module(f"benchmarks.{topic}").figures(options.quick):
            print(row(figure), flush=True)
            measured.append(figure)
    met = sum(figure.verdict == "met" for figure in measured)
    missed = sum(figure.verdict == "missed" for figure in measured)
    print(f"\n{met} goals met, {missed} missed")


def row(figure: Figure) -> str:
    """Return the figure's line of the table."""
    if not figure.values:
        return ROW.format(figure.name, figure.goal, "", "", figure.verdict).rstrip()
    low, high = figure.quartiles
    median = f"{figure.median:.2f} {figure.unit}"
    spread = f"{low:.2f} .. {high:.2f}"
    return ROW.format(figure.name, figure.goal, median, spread, figure.verdict).rstrip()


if __name__ == "__main__":
    main()
