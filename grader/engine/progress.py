"""What a person sees of a run, and what the log keeps of it."""

from __future__ import annotations

import datetime as dt
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from grader.engine.events import (
    Event,
    Failed,
    Found,
    PageMade,
    Recorded,
    Skipped,
    Tick,
    Waiting,
)

PLAIN_EVERY = 5.0
"""Seconds between two lines of progress where the output is no terminal."""

REMARKS, NOTES = 50, 5
"""Submissions, and notes on each, that are listed at the end of a run; the log has them all."""


class Totals:
    """How many of each, and how fast: counted from the events.

    failures: all of them. remarks: the first submissions with notes, `count["remarks"]` in all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.count: Counter[str] = Counter()
        self.scores: list[float] = []
        self.failures: list[Failed] = []
        self.remarks: list[Recorded] = []
        self.expected = 0
        self.seconds = 0.0
        self._clock = clock
        self._phase = clock()

    def add(self, event: Event) -> None:
        """Count one event."""
        match event:
            case Found(count=count):
                self.expected = count
                self._phase = self._clock()
                self.count["phase"] = 0
            case Recorded(score=score, timed_out=timed_out):
                self.count.update(graded=1, phase=1, timeouts=bool(timed_out))
                self.scores.append(score)
                self.count["remarks"] += bool(event.notes)
                if event.notes and len(self.remarks) < REMARKS:
                    self.remarks.append(event)
            case Skipped():
                self.count.update(skipped=1, phase=1)
            case Failed():
                self.count.update(failed=1, phase=1)
                self.failures.append(event)
            case PageMade(fresh=fresh):
                self.count.update(pages=fresh, phase=1)
        self.seconds = self._clock() - self._phase

    @property
    def rate(self) -> float:
        """Submissions or pages a second since the phase began."""
        return self.count["phase"] / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that the phase still takes at this rate."""
        return (self.expected - self.count["phase"]) / self.rate if self.rate else None

    def line(self) -> str:
        """The running totals."""
        left = "?" if self.left is None else str(dt.timedelta(seconds=round(self.left)))
        text = f"{self.rate:.1f}/s, {left} left · graded {self.count['graded']}"
        for name in ("skipped", "failed"):
            if self.count[name]:
                text += f", {name} {self.count[name]}"
        if self.count["timeouts"]:
            text += f", timed out {self.count['timeouts']}"
        return text


class _Bar(Progress):
    """A bar, and the running totals in a line of their own: 80 columns hold no more."""

    totals = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Bar and totals."""
        yield from super().get_renderables()
        yield Text(self.totals, no_wrap=True, overflow="ellipsis")


class Report:
    """Shows a run: a bar on a terminal, lines elsewhere, a summary at the end; writes the log.

    log: a file to which one JSON object is appended for each event, with every cell's time.
    quiet: a line for each submission, and no bar: for a watch that has no end.
    """

    def __init__(
        self, console: Console, log: Path | None, max_score: float, quiet: bool = False
    ) -> None:
        self.totals = Totals()
        self._console = console
        # Not buffered: a full disk costs the lines of that time, and nothing waits to be written.
        self._log = log.open("ab", buffering=0) if log is not None else None
        self._log_whole = True
        self._max_score = max_score
        self._quiet = quiet
        self._began = time.monotonic()
        self._said = self._began
        # The bar is redrawn by events alone: a run that forks workers must not have threads.
        self._bar = _Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            auto_refresh=False,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("reading", total=None)
        self._what = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._log is not None:
            self._log.close()

    def __call__(self, event: Event) -> None:
        """Show and log one event."""
        self.totals.add(event)
        if not isinstance(event, Tick):
            self._write_log(event)
        if self._quiet:
            self._say(event)
            return
        match event:
            case Found(what, count):
                self._what = what
                self._bar.reset(self._task, total=count, description=what)
                if not self._console.is_terminal:
                    self._console.print(f"{what}: 0 of {count} done")
                self._said = time.monotonic()
            case Waiting(reason):
                self._console.print(f"[yellow]waiting[/] {escape(reason)}")
        self._show()

    def print_summary(self) -> None:
        """The end of a run: how it went, who was not graded, and what staff should look at."""
        totals = self.totals
        self._console.print(self._table())
        for failed in totals.failures:
            self._say(failed)
        for graded in totals.remarks:
            said = f"{graded.student}: {'; '.join(graded.notes[:NOTES])}"
            if len(graded.notes) > NOTES:
                said += f"; and {len(graded.notes) - NOTES} more, in the log"
            self._console.print(f"to look at: {escape(said)}")
        if more := totals.count["remarks"] - len(totals.remarks):
            self._console.print(f"to look at: {more} more, in the log")

    def _table(self) -> Table:
        totals, count = self.totals, self.totals.count
        table = Table(show_header=False)
        seconds = time.monotonic() - self._began
        table.add_row("graded", str(count["graded"]))
        table.add_row("unchanged, skipped", str(count["skipped"]))
        table.add_row("not graded", str(count["failed"]))
        table.add_row("ran into a time limit", str(count["timeouts"]))
        table.add_row("feedback written", str(count["pages"]))
        if totals.scores:
            table.add_row(
                "score, median (lowest to highest)",
                f"{statistics.median(totals.scores):.4g} ({min(totals.scores):.4g} to "
                f"{max(totals.scores):.4g}) of {self._max_score:.4g}",
            )
        table.add_row("time", f"{seconds:.1f} s")
        return table

    def _say(self, event: Event) -> None:
        match event:
            case Recorded(student, score):
                self._console.print(
                    f"graded {escape(student)}: {score:.4g} of {self._max_score:.4g}"
                )
            case Failed(student, reason):
                self._console.print(f"not graded: {escape(student)}: {escape(reason)}")
            case Waiting(reason):
                self._console.print(f"waiting: {escape(reason)}")

    def _show(self) -> None:
        totals = self.totals
        if self._console.is_terminal:
            self._bar.totals = totals.line()
            self._bar.update(self._task, completed=totals.count["phase"], refresh=True)
        elif time.monotonic() - self._said >= PLAIN_EVERY:
            self._said = time.monotonic()
            self._console.print(
                f"{self._what}: {totals.count['phase']} of {totals.expected} done, {totals.line()}"
            )

    def _write_log(self, event: Event) -> None:
        if self._log is None:
            return
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        entry = {"time": now, "event": type(event).__name__.lower(), **asdict(event)}
        line = (json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        if not self._log_whole:
            line = b"\n" + line
        try:
            whole = self._log.write(line) == len(line)
        except OSError as error:
            whole = False
            if self._log_whole:
                self._console.print(f"no log is written: {error.strerror}; the run goes on")
        self._log_whole = whole
