"""What happens in a run, as it happens: for progress, the log and the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Found:
    """So many submissions are there, or so many feedback pages may have to be made."""

    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """A submission was graded and its results are in the gradebook.

    seconds: wall time of examining it; cells: of each cell, by its id or position.
    timed_out: those that ran into a limit on time. notes: what staff should see. printed: for staff
    too, what was printed during graded cells.
    resumed: a killed run had examined it; only recording was left.
    """

    student: str
    score: float
    seconds: float = 0.0
    cells: Mapping[str, float] = field(default_factory=dict)
    timed_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    printed: Mapping[str, str] = field(default_factory=dict)
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A submission that was graded before and has not changed since."""

    student: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A submission that could not be graded, and what to do about it."""

    student: str
    reason: str


@dataclass(frozen=True, slots=True)
class PageMade:
    """A student's feedback is written; `fresh` is False where it was current already."""

    student: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run is held up by something that may pass."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A second in which nothing came back from the workers."""


Event = Found | Recorded | Skipped | Failed | PageMade | Waiting | Tick
