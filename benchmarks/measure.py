"""How a figure is measured: in rounds, so that a busy machine slows both sides of a ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One row of the table: a value from each round, and the goal for their median.

    Without values it could not be measured, and `note` says why.
    """

    name: str
    values: list[float]
    unit: str = "x"
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The spread: half of the rounds lie between these."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def goal(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most:g} {self.unit}"
        return "" if self.at_least is None else f"at least {self.at_least:g} {self.unit}"

    @property
    def verdict(self) -> str:
        if not self.values:
            return self.note
        if self.at_most is not None:
            return "met" if self.median <= self.at_most else "missed"
        if self.at_least is not None:
            return "met" if self.median >= self.at_least else "missed"
        return self.note


@dataclass(frozen=True)
class Task:
    """What is timed: `run(prepare())`, of which `prepare` is not."""

    run: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None

    def seconds(self, at_least: float) -> float:
        """Return the mean time of a run, over enough runs to fill `at_least` seconds."""
        total, runs = 0.0, 0
        while runs == 0 or total < at_least:
            prepared = self.prepare()
            start = time.perf_counter()
            self.run(prepared)
            total += time.perf_counter() - start
            runs += 1
        return total / runs


def measure(tasks: Mapping[str, Task], quick: bool) -> dict[str, list[float]]:
    """Return the seconds of each task in each round; in a round, each has its turn."""
    rounds, at_least = (3, 0.0) if quick else (15, 0.01)
    for task in tasks.values():
        task.seconds(0.0)  # the first run also imports, allocates and fills caches
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(task.seconds(at_least))
    return times


def ratio(times: Mapping[str, list[float]], one: str, other: str) -> list[float]:
    """How many times as long as `other` did `one` take, round by round; [] where one is missing."""
    return [a / b for a, b in zip(times.get(one, []), times.get(other, []), strict=False)]
