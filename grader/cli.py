"""`grader`: what nbgrader does not have, with nbgrader's options and configuration."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.apps.baseapp import NbGrader, nbgrader_aliases, nbgrader_flags
from nbgrader.converters import Autograde, BaseConverter, GenerateFeedback
from nbgrader.exchange import ExchangeError
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import AssignLatePenalties
from rich.console import Console
from rich.markup import escape
from traitlets import Bool, Float, Integer, TraitError, Unicode
from traitlets.config import Config, Configurable

from grader.configured import Configured, configured
from grader.course.assignment import AssignmentError
from grader.engine.engine import Engine
from grader.engine.events import Event, Failed, Skipped, Waiting
from grader.engine.executors import ClusterError, cluster_engine, cores, local_engine
from grader.engine.gradebook import GradebookError, GradebookGoneError
from grader.engine.pipeline import ClassRun, StoppedError
from grader.engine.progress import Report
from grader.engine.worker import WallUnavailableError
from grader.submissions.folders import BusyError, claimed
from grader.submissions.students import students_of
from grader.submissions.watch import FeedbackRelease, open_inbox
from grader.wall.sandbox import UNPROTECTED_WARNING

UNGRADED, NOTHING_DONE, STOPPED, INTERRUPTED = 1, 2, 3, 130

SAID_AGAIN = 600.0
"""Seconds after which a watch says again what holds it up."""

EXIT_CODES = """
Exit codes: 0 everything is graded; 1 some submissions could not be, and are listed; 2 nothing was
done: wrong arguments or configuration, a --student who submitted nothing, no wall, no gradebook;
3 stopped on the way, by a full disk or by a database or cluster that went away: the same command
goes on from there; 130 Ctrl-C.
"""

_TOLD = (
    AssignmentError,
    GradebookError,
    ClusterError,
    ExchangeError,
    StoppedError,
    TraitError,
    WallUnavailableError,
)
"""What ends a run; the message says why and what to do."""


class ClassApp(NbGrader):
    """An assignment, its gradebook and workers."""

    aliases = {  # noqa: RUF012, traitlets' way
        **{name: trait for name, trait in nbgrader_aliases.items() if name != "notebook"},
        "course": "CourseDirectory.course_id",
        "workers": "ClassApp.workers",
        "cluster": "ClassApp.cluster",
    }
    flags = {  # noqa: RUF012
        **nbgrader_flags,
        "force": ({"ClassApp": {"force": True}}, "Grade again what is graded already."),
        "f": ({"ClassApp": {"force": True}}, "Short for --force."),
        "dry-run": ({"ClassApp": {"dry_run": True}}, "Say what would be graded, and do nothing."),
    }

    workers = Integer(
        0, min=0, help="How many submissions are examined at once; 0: one for each core."
    ).tag(config=True)
    cluster = Unicode(
        "",
        help="The Dask scheduler whose workers examine: tcp://host:8786, or its scheduler file.",
    ).tag(config=True)
    force = Bool(False, help="Grade again what is graded already.").tag(config=True)
    dry_run = Bool(False, help="Say what would be graded, and do nothing.").tag(config=True)
    feedback = Bool(True, help="Make the feedback pages too.").tag(config=True)
    patience = Float(
        60.0, min=0.0, help="Seconds to wait for a gradebook that does not answer."
    ).tag(config=True)
    timings = Unicode(
        "grader.log",
        help="The log: one line of JSON for each submission, with every cell's time. Empty: none.",
    ).tag(config=True)

    _report: Report | None = None  # once work is under way

    raise_config_file_errors = True  # and not grade by other rules than the course's

    def _classes_default(self) -> list[type]:
        classes: list[type] = super()._classes_default()
        converters = [BaseConverter, Autograde, GenerateFeedback]
        return [*classes, ClassApp, *converters, AssignLatePenalties, LateSubmissionPlugin]

    def _log_level_default(self) -> int:
        return logging.WARNING

    def initialize(self, argv: list[str] | None = None, root: str = "") -> None:
        """Read command line and configuration; exit where they are wrong."""
        try:
            super().initialize(argv, root)
        except Exception as error:  # noqa: BLE001, nbgrader_config.py is code and raises anything
            self.give_up(f"nbgrader_config.py cannot be read: {type(error).__name__}: {error}")

    def parse_command_line(self, argv: Any = None) -> None:
        """Refuse options that nothing reads; traitlets would grade without them."""
        super().parse_command_line(argv)
        known = _options()
        for name, given in self.cli_config.items():
            unknown = set(given) - known[name] if isinstance(given, Config) else {""}
            if unknown:
                option = f"{name}.{min(unknown)}".rstrip(".")
                self.give_up(f"there is no option --{option}: see `{self.name} --help-all`")

    def emit_help_epilogue(self, classes: bool) -> Iterator[str]:
        """The last lines of `--help`."""
        yield EXIT_CODES
        yield from super().emit_help_epilogue(classes)

    def exit(self, exit_status: int | str | None = 0) -> None:
        """Exit as traitlets does, which says 1 for wrong arguments."""
        super().exit(exit_status and NOTHING_DONE)

    def start(self) -> None:
        """Do the work and exit with one of the codes."""
        self.console = Console(highlight=False, soft_wrap=True)
        try:
            super().start()
            self._choose_assignment()
            code = self.work()
        except _TOLD as error:
            self.give_up(str(error), self._code(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self.give_up(f"{where}{error.strerror or error}", self._code(error))
        except KeyboardInterrupt:
            print(f"\n{self.name}: stopped; the same command goes on from here", file=sys.stderr)
            sys.stdout.flush()
            os._exit(INTERRUPTED)  # not waiting for what is under way; the workers end with us
        sys.exit(code)

    def work(self) -> int:
        """The application's work; its exit code."""
        raise NotImplementedError

    def give_up(self, message: str, code: int = NOTHING_DONE) -> NoReturn:
        """Say why, and exit."""
        print(f"{self.name}: {message}", file=sys.stderr)
        sys.exit(code)

    def open(self) -> Configured:
        """The course. Raises AssignmentError, GradebookError and TraitError."""
        try:
            opened = configured(self, self.patience, lambda reason: self.report(Waiting(reason)))
        except ValueError as error:
            self.give_up(f"nbgrader_config.py: {error}")
        if not all(master.protected for master in opened.course.masters.values()):
            print(UNPROTECTED_WARNING, file=sys.stderr)
        return opened

    def report(self, event: Event) -> None:
        """Tell the report; before there is one, say what the run waits for."""
        if self._report is not None:
            self._report(event)
        elif isinstance(event, Waiting):
            self.console.print(escape(f"waiting: {event.reason}"))

    def engine(self) -> Engine:
        """Where submissions are examined. Raises ClusterError."""
        return (
            cluster_engine(self.cluster) if self.cluster else local_engine(self.workers or cores())
        )

    def log_file(self) -> Path | None:
        """Where the log goes."""
        return Path(self.coursedir.root, self.timings) if self.timings else None

    def _code(self, error: Exception) -> int:
        """What to exit with: 3 once there is a report, and so work under way."""
        if self._report is None:
            return NOTHING_DONE
        graded = self._report.totals.count["graded"]
        return STOPPED if graded or not isinstance(error, WallUnavailableError) else NOTHING_DONE

    def _choose_assignment(self) -> None:
        if len(self.extra_args) > 1:
            self.give_up("one assignment at a time")
        if self.extra_args:
            if self.coursedir.assignment_id:
                self.give_up("name the assignment once: as an argument or with --assignment")
            try:
                self.coursedir.assignment_id = self.extra_args[0]
            except TraitError as error:
                self.give_up(str(error))
        if not self.coursedir.assignment_id:
            self.give_up("which assignment? For example: grader run 10_compression")


class RunApp(ClassApp):
    """grader run"""

    name = "grader run"
    description = "Grade what is not graded yet, on all cores, and make the feedback"
    examples = """
        grader run 10_compression
        grader run 10_compression --student "a*" --workers 4
        grader run 10_compression --cluster tcp://scheduler:8786
        grader run 10_compression --dry-run
        """

    def work(self) -> int:
        """Grade the class; 0 where nothing failed."""
        opened = self.open()
        with opened.gradebook:
            students = students_of(self.coursedir, self.coursedir.submitted_directory)
            if not students:
                return self._nothing_to_grade(opened)
            if self.dry_run:
                return self._rehearse(opened, students)
            with (
                Report(self.console, self.log_file(), opened.gradebook.max_score) as report,
                self.engine() as engine,
            ):
                self._report = report
                run = ClassRun(opened.course, opened.recorder, engine, report)
                run.grade(students, self.force)
                if self.feedback:
                    run.make_feedback(students, self.force)
        report.print_summary()
        return UNGRADED if report.totals.failures else 0

    def _nothing_to_grade(self, opened: Configured) -> int:
        """Say so; it is an error where an id or a pattern was given, which is wrong then."""
        name, wanted = self.coursedir.assignment_id, self.coursedir.student_id
        place = opened.course.submitted("STUDENT")
        if wanted != "*":
            self.give_up(
                f"no student {wanted!r} has submitted {name}: check --student, and "
                f"CourseDirectory.student_id_exclude; submissions belong in {place}"
            )
        self.console.print(
            escape(f"nothing to grade: nobody has submitted {name}; submissions belong in {place}")
        )
        return 0

    def _rehearse(self, opened: Configured, students: list[str]) -> int:
        with self.engine() as engine:
            run = ClassRun(opened.course, opened.recorder, engine, self.report)
            code = 0
            for event in run.would_grade(students, self.force):
                match event:
                    case Failed(student, reason):
                        code = UNGRADED
                        text = f"cannot be graded: {reason}"
                    case Skipped(student):
                        text = "graded already, unchanged"
                    case _:
                        student, text = event.student, "would be graded"  # type: ignore[union-attr]
                self.console.print(f"{escape(student)}: {escape(text)}")
        return code


class WatchApp(ClassApp):
    """grader watch"""

    name = "grader watch"
    description = "Grade what arrives in the exchange, until Ctrl-C"
    examples = """
        grader watch 10_compression
        grader watch 10_compression --WatchApp.release_feedback=True
        """

    seconds = Float(2.0, min=0.1, help="How often the exchange is looked at.").tag(config=True)
    release_feedback = Bool(
        False, help="Release each student's feedback as soon as it is made."
    ).tag(config=True)

    def work(self) -> int:
        """Grade whatever arrives; never returns by itself."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._check_options()
        opened = self.open()
        self._inbox = open_inbox(self, opened.course.submitted, opened.gradebook.duedate)
        self._release = FeedbackRelease(self, opened.course.feedback)
        self._said: dict[str, float] = {}
        with (
            opened.gradebook,
            self._the_only_one(),
            Report(self.console, self.log_file(), opened.gradebook.max_score, quiet=True) as report,
            self.engine() as engine,
        ):
            self._report = report
            run = ClassRun(opened.course, opened.recorder, engine, report)
            # What a run before this one collected and did not come to grade is graded first.
            self._under_way = dict.fromkeys(
                students_of(self.coursedir, self.coursedir.submitted_directory)
            )
            wanted = self.coursedir.student_id
            of = "" if wanted == "*" else f" of students like {wanted!r}"
            watched = escape(f"{self.coursedir.assignment_id}{of}")
            self.console.print(f"watching for {watched}; Ctrl-C ends it")
            while True:
                try:
                    run.follow(self._rounds(), self._done, self.feedback)
                except (ClusterError, GradebookGoneError, StoppedError, OSError) as error:
                    self._hold(error)
                    time.sleep(self.seconds)

    def _check_options(self) -> None:
        if self.dry_run:
            self.give_up("a watch grades; to see what would be graded: grader run --dry-run")
        if self.force:
            self.give_up("a watch grades nothing twice; to grade again: grader run --force")
        if self.release_feedback and not self.feedback:
            self.give_up("release_feedback=True needs feedback=True: there are no pages otherwise")

    @contextlib.contextmanager
    def _the_only_one(self) -> Iterator[None]:
        """Stand by while another watch is at work on the assignment; when it ends, go on."""
        assignment = self.coursedir.assignment_id
        source = self.coursedir.format_path(self.coursedir.source_directory, ".", assignment)
        told = False
        with contextlib.ExitStack() as claim:
            while True:
                try:
                    claim.enter_context(claimed(Path(source)))
                    break
                except BusyError:
                    if not told:
                        self.console.print(f"another watch of {assignment} runs; standing by")
                    told = True
                    time.sleep(self.seconds)
            yield

    def _rounds(self) -> Iterator[Iterable[str]]:
        """First who was under way when the last attempt ended, then who comes in."""
        yield list(self._under_way)
        while True:
            yield self._arrivals()
            self._release_waiting()
            look = time.monotonic() + self.seconds
            while time.monotonic() < look:
                yield ()

    def _arrivals(self) -> Iterator[str]:
        try:
            for student in self._inbox.collect(self._refuse, self._under_way):
                self._under_way[student] = None
                yield student
        except OSError as error:
            self._hold(error)

    def _done(self, student: str) -> None:
        del self._under_way[student]
        if self.release_feedback:
            self._release.add(student)
            self._release_waiting()

    def _release_waiting(self) -> None:
        try:
            self._release.release(self._refuse)
        except (ExchangeError, OSError) as error:
            self._hold(error)

    def _refuse(self, name: str, reason: str) -> None:
        self.report(Failed(name, reason))

    def _hold(self, trouble: Exception) -> None:
        """Say what holds the watch up: once, and again when it has lasted for long."""
        kind = f"{type(trouble)} {getattr(trouble, 'errno', '')}"
        now = time.monotonic()
        if now > self._said.get(kind, -SAID_AGAIN) + SAID_AGAIN:
            self._said[kind] = now
            self.report(Waiting(str(trouble)))


def _options() -> defaultdict[str, set[str]]:
    """The options there are, by class."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    classes: list[type[Configurable]] = [Configurable]
    while classes:
        known = classes.pop()
        found[known.__name__] |= set(known.class_trait_names(config=True))
        classes += known.__subclasses__()
    return found


class GraderApp(NbGrader):
    """grader"""

    name = "grader"
    description = "Grade whole classes, behind the wall, into nbgrader's gradebook"
    subcommands = {  # noqa: RUF012
        "run": (RunApp, RunApp.description),
        "watch": (WatchApp, WatchApp.description),
    }

    def start(self) -> None:
        """Run the subcommand, or list them."""
        if self.subapp is None:
            print("Which command? See `grader COMMAND --help`.\n")
            self.print_subcommands()
            sys.exit(NOTHING_DONE)
        super().start()
