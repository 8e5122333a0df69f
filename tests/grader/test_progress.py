"""What a person sees of a run, and what the log keeps."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from grader.engine import progress
from grader.engine.events import Failed, Found, PageMade, Recorded, Skipped, Tick, Waiting
from grader.engine.progress import Report, Totals


def test_totals_know_rate_and_time_left() -> None:
    now = 0.0
    totals = Totals(clock=lambda: now)
    totals.add(Found("grading", 10))
    for event in (Recorded("a", 5.0), Skipped("b"), Failed("c", "no"), Recorded("d", 7.0)):
        now += 0.5
        totals.add(event)
    assert totals.rate == 2.0
    assert totals.left == 3.0
    assert totals.line() == "2.0/s, 0:00:03 left · graded 2, skipped 1, failed 1"
    totals.add(Found("feedback", 2))
    now += 1
    totals.add(PageMade("a", True))
    assert (totals.rate, totals.left) == (1.0, 1.0)


def shown(log: Path | None, quiet: bool = False, terminal: bool = False) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=200)
    with Report(console, log, 9, quiet) as report:
        for event in (
            Found("grading", 3),
            Recorded("a [b]", 5.0, 0.2, {"one/test": 0.1}, ("test",)),
            Failed("c", "not a notebook"),
            Waiting("no gradebook"),
            Tick(),
            Recorded("d", 8.0),
        ):
            report(event)
    report.print_summary()
    return output.getvalue()


def test_lines_without_a_terminal_a_bar_on_one() -> None:
    plain, bar = shown(None), shown(None, terminal=True)
    assert plain.startswith("grading: 0 of 3 done\n")
    assert "waiting" in plain
    assert "\x1b" not in plain
    assert "3/3" in bar
    for text in (plain, bar):
        assert "6.5 (5 to 8) of 9" in text


def test_the_time_goes_on_while_nothing_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    totals = Totals(clock=lambda: now)
    totals.add(Found("grading", 4))
    now = 1.0
    totals.add(Recorded("a", 5.0))
    now = 2.0
    totals.add(Tick())
    assert (totals.rate, totals.left) == (0.5, 6.0)
    monkeypatch.setattr(progress, "PLAIN_EVERY", 0.0)
    output = io.StringIO()
    with Report(Console(file=output, width=200), None, 9) as report:
        for event in (Found("grading", 2), Recorded("a", 5.0), Tick()):
            report(event)
    assert output.getvalue().count("grading: 1 of 2 done") == 2


def test_eighty_columns_hold_it_all() -> None:
    output = io.StringIO()
    with Report(Console(file=output, force_terminal=True, width=80), None, 9) as report:
        report(Found("grading", 10_000))
        report(Skipped("s"))
        for number in range(1200):
            report(Recorded(str(number), 5.0, timed_out=("test",)))
        report(Failed("c", "not a notebook"))
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.getvalue()).strip().splitlines()[-2:]
    assert re.search(r"1202/10000 0:00:0\d *$", last[0]), last
    assert last[1].rstrip().endswith("skipped 1, failed 1, timed out 1200"), last
    assert "left" in last[1]


def test_a_watch_says_each_submission() -> None:
    text = shown(None, quiet=True)
    assert "graded a [b]: 5 of 9\n" in text
    assert "not graded: c: not a notebook\n" in text


def test_the_end_of_a_run_lists_whom_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REMARKS", 2)
    monkeypatch.setattr(progress, "NOTES", 1)
    output = io.StringIO()
    with Report(Console(file=output, width=200), None, 9) as report:
        report(Failed("a", "not a [notebook]"))
        for student, *notes in (["b", "[x]", "y", "z"], ["c"], ["d", "x"], ["e", "x"], ["f", "x"]):
            report(Recorded(student, 5.0, notes=tuple(notes)))
    report.print_summary()
    assert output.getvalue().splitlines()[-4:] == [
        "not graded: a: not a [notebook]",
        "to look at: b: [x]; and 2 more, in the log",
        "to look at: d: x",
        "to look at: 2 more, in the log",
    ]


def test_the_log_holds_every_event_in_a_line_of_json(tmp_path: Path) -> None:
    shown(tmp_path / "log")
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [event["event"] for event in events] == [
        "found",
        "recorded",
        "failed",
        "waiting",
        "recorded",
    ]
    assert events[1]["cells"] == {"one/test": 0.1}
    assert events[1]["timed_out"] == ["test"]
