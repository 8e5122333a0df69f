"""`grader run` from end to end, through the wall: what it leaves, and what disturbs it."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from mini_course import (
    ASSIGNMENT,
    GOOD,
    LOOPING,
    RAISING,
    WRONG,
    MiniCourse,
    as_an_ordinary_user,
    family,
    wait_until_gone,
)
from nbgrader.apps import NbGraderAPI
from sqlalchemy.exc import SAWarning
from stock_course import sqlite_rows

from grader.course.secret import course_secret

ANSWERS = {
    "ada": GOOD,
    "bob": WRONG,
    "cy d": {},
    "dée": RAISING,
    "eve[1]": GOOD,
}


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> MiniCourse:
    """A course with five submissions, nothing graded."""
    course = MiniCourse(tmp_path_factory.mktemp("mini") / "course").create()
    for student, answers in ANSWERS.items():
        course.submit(student, answers, f"I am {student}.")
    return course


@pytest.fixture
def course(released: MiniCourse, tmp_path: Path) -> MiniCourse:
    return released.copy(tmp_path / "course")


@pytest.fixture(scope="session")
def undisturbed(released: MiniCourse, tmp_path_factory: pytest.TempPathFactory) -> MiniCourse:
    """The course, graded in one go."""
    graded = released.copy(tmp_path_factory.mktemp("undisturbed") / "course")
    code, output = graded.run("run", ASSIGNMENT)
    assert code == 0, output
    return graded


def rows(course: MiniCourse) -> dict[str, list[tuple[object, ...]]]:
    return sqlite_rows(course.root / "gradebook.db")


def assert_same(course: MiniCourse, other: MiniCourse) -> None:
    assert rows(course) == rows(other)
    ours, theirs = course.files(), other.files()
    assert list(ours) == list(theirs)
    assert ours == theirs


def test_a_class_is_graded_and_has_its_feedback(undisturbed: MiniCourse) -> None:
    with undisturbed.api().gradebook as gradebook:
        scores = {s.student.id: s.score for s in gradebook.assignment_submissions(ASSIGNMENT)}
    assert scores == {"ada": 9, "bob": 6, "cy d": 0, "dée": 4, "eve[1]": 9}
    page = undisturbed.files("feedback")[f"feedback/bob/{ASSIGNMENT}/mini.html"].decode()
    assert "6 / 14" in page
    assert page.count("secret token") == 2  # the message, in the overview and at the check
    assert "double(21)" not in page
    output = undisturbed.output()
    assert "graded" in output
    assert "(0 to 9) of 14" in output


def test_the_log_has_the_time_of_every_cell(undisturbed: MiniCourse) -> None:
    events = undisturbed.events("recorded")
    assert {event["student"] for event in events} == set(ANSWERS)
    for event in events:
        assert {"mini/double", "mini/test_total", "mini/test_double-hidden"} <= set(event["cells"])
        assert event["seconds"] >= sum(event["cells"].values())


def test_nbgrader_autograde_leaves_the_same(undisturbed: MiniCourse, tmp_path: Path) -> None:
    course = undisturbed.copy(tmp_path / "stock")
    shutil.rmtree(course.root / "autograded")
    shutil.rmtree(course.root / "feedback")
    connection = sqlite3.connect(course.root / "gradebook.db")
    for table in ("grade", "comment", "submitted_notebook", "submitted_assignment", "student"):
        connection.execute(f"DELETE FROM {table}")
    connection.commit()
    connection.close()
    api = course.api()
    for student in ANSWERS:
        stock(api, student)
        if "[" not in student:  # `nbgrader generate_feedback` takes every id for a pattern
            result = api.generate_feedback(ASSIGNMENT, student)
            assert result["success"], result
    assert rows(course) == rows(undisturbed)
    theirs = course.files()
    receipts = {name for name in theirs if name.endswith(".grading.json")}
    assert len(receipts) == len(ANSWERS)
    ours = {
        name: data
        for name, data in undisturbed.files().items()
        if not name.endswith(".grading.json") and not name.startswith("feedback/eve[1]")
    }
    assert set(theirs) - receipts == set(ours)
    for name, content in ours.items():
        assert theirs[name] == content, name


@pytest.mark.parametrize(("max_lines", "max_traceback"), [(5, -1), (1000, 3), (-2, 100)])
def test_outputs_are_limited_as_nbgrader_autograde_limits_them(
    course: MiniCourse, max_lines: int, max_traceback: int
) -> None:
    config = course.root / "nbgrader_config.py"
    with config.open("a") as more:
        more.write(f"\nc.LimitOutput.max_lines = {max_lines}")
        more.write(f"\nc.LimitOutput.max_traceback = {max_traceback}\n")
    deep = "\ndef fail(n):\n    return fail(n - 1) if n else 1 / 0\nfail(5)"
    for lines, student in enumerate(ANSWERS, max(max_lines, 0)):
        printing = f"import sys\nprint({'x' * 3!r}, file=sys.stderr)\nprint('\\n' * {lines - 3})\n"
        course.submit(student, GOOD | {"double": printing + GOOD["double"] + deep})
    code, output = course.run("run", ASSIGNMENT, "--ClassApp.feedback=False")
    assert code == 0, output
    ours = {name: data for name, data in course.files().items() if name.endswith(".ipynb")}
    shutil.rmtree(course.root / "autograded")
    api = course.api()
    for student in ANSWERS:
        stock(api, student)
    theirs = course.files()
    assert len(ours) == len(ANSWERS)
    assert {name: theirs[name] for name in ours} == ours
    cut = [b"truncated ..." in data for data in ours.values()]
    assert True in cut


def test_a_mark_scheme_stays_with_staff(undisturbed: MiniCourse) -> None:
    """A page may go out before the last submission, and the scheme says what the answer is."""
    for name, content in undisturbed.files().items():
        if name.endswith((".html", ".ipynb")):
            assert (b"model answer" in content) == name.startswith("autograded/"), name
            assert b"In short." in content, name


def test_what_nbgrader_autograde_graded_is_not_graded_once_more(
    course: MiniCourse, undisturbed: MiniCourse
) -> None:
    shutil.copy(undisturbed.root / "course.secret", course.root)
    api = course.api()
    stock(api, "*")
    before = rows(course), course.files("autograded")
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert {event["student"] for event in course.events("skipped")} == set(ANSWERS)
    assert (rows(course), course.files("autograded")) == before
    assert rows(course) == rows(undisturbed)
    assert course.files("feedback") == undisturbed.files("feedback")
    stamp = (course.root / f"autograded/ada/{ASSIGNMENT}/mini.ipynb").stat().st_mtime_ns
    stock(api, "ada")  # which forces, unlike the command
    assert (course.root / f"autograded/ada/{ASSIGNMENT}/mini.ipynb").stat().st_mtime_ns > stamp
    course.submit("bob", GOOD)
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert [event["student"] for event in course.events("recorded")] == ["bob"]


def stock(api: NbGraderAPI, student: str) -> None:
    """`nbgrader autograde --force`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        result = api.autograde(ASSIGNMENT, student)
    assert result["success"], result


def test_a_receipt_is_withdrawn_before_nbgrader_changes_anything(
    undisturbed: MiniCourse, tmp_path: Path
) -> None:
    course = undisturbed.copy(tmp_path / "stopped")
    receipt = course.root / "autograded" / "ada" / ASSIGNMENT / ".grading.json"
    with course.api().gradebook as gradebook:
        gradebook.remove_student("ada")
    api = course.api()
    api.config.Autograde.create_student = False
    assert not api.autograde(ASSIGNMENT, "ada")["success"]
    assert not receipt.exists()
    api = course.api()
    api.coursedir.notebook_id = "min?"
    stock(api, "bob")  # perhaps not all of its notebooks
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert rows(course) == rows(undisturbed)
    assert receipt.exists()


@pytest.mark.parametrize("lost", ["all", "a student", "the newest"])
def test_what_a_gradebook_has_lost_is_graded_again(
    undisturbed: MiniCourse, tmp_path: Path, lost: str
) -> None:
    course = undisturbed.copy(tmp_path / "lost")
    database, expected = course.root / "gradebook.db", set(ANSWERS)
    (course.root / "grader.log").unlink()
    if lost == "all":
        database.unlink()
        assert course.api().generate_assignment(ASSIGNMENT, force=True)["success"]
    elif lost == "a student":
        with course.api().gradebook as gradebook:
            gradebook.remove_student("dée")
        expected = {"dée"}
    else:  # a backup is put in its place
        shutil.copy(database, tmp_path / "backup.db")
        course.submit("bob", GOOD, when="2029-01-02")
        assert course.run("run", ASSIGNMENT)[0] == 0
        course.submit("bob", WRONG, "I am bob.", when="2029-01-03")
        assert course.run("run", ASSIGNMENT)[0] == 0
        (course.root / "grader.log").unlink()
        shutil.copy(tmp_path / "backup.db", database)
        expected = {"bob"}
    _, output = course.run("run", ASSIGNMENT, "--dry-run")
    assert output.count("would be graded") == len(expected)
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert {event["student"] for event in course.events("recorded")} == expected
    if lost != "the newest":
        assert_same(course, undisturbed)
    (course.root / "grader.log").unlink()
    assert course.run("run", ASSIGNMENT)[0] == 0
    assert len(course.events("skipped")) == len(ANSWERS)


def test_submissions_that_nobody_may_look_into_are_no_empty_class(course: MiniCourse) -> None:
    (course.root / "submitted").chmod(0)
    try:
        with as_an_ordinary_user():
            code, output = course.run("run", ASSIGNMENT)
            result = course.api().autograde(ASSIGNMENT, "*")
    finally:
        (course.root / "submitted").chmod(0o755)
    assert_refused(course, code, output, "submitted: Permission denied")
    assert "submitted cannot be read by this account" in result["log"]


@pytest.mark.parametrize("which", ["submission", "student"])
def test_a_folder_that_nobody_may_look_into_fails_alone(course: MiniCourse, which: str) -> None:
    folder = course.submitted("bob")
    closed = folder if which == "submission" else folder.parent
    closed.chmod(0)
    try:
        with as_an_ordinary_user():
            code, output = course.run("run", ASSIGNMENT)
            rehearsed, said = course.run("run", ASSIGNMENT, "--dry-run")
    finally:
        closed.chmod(0o755)
    assert (code, rehearsed) == (1, 1), output
    assert "not graded: bob: " in output
    assert "cannot be read (Permission denied)" in output
    assert "bob: cannot be graded: " in said
    assert {row[1] for row in rows(course)["submission"]} == set(ANSWERS) - {"bob"}


def test_a_second_run_grades_nothing_again(undisturbed: MiniCourse, tmp_path: Path) -> None:
    course = undisturbed.copy(tmp_path / "again")
    before = course.files()
    stamps = {path: path.stat().st_mtime_ns for path in (course.root / "feedback").rglob("*")}
    (course.root / "grader.log").unlink()
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert len(course.events("skipped")) == len(ANSWERS)
    assert not course.events("recorded")
    assert course.files() == before
    assert stamps == {p: p.stat().st_mtime_ns for p in (course.root / "feedback").rglob("*")}


def test_what_changed_is_graded_again_and_only_that(
    undisturbed: MiniCourse, tmp_path: Path
) -> None:
    course = undisturbed.copy(tmp_path / "changed")
    (course.root / "grader.log").unlink()
    course.submit("bob", GOOD, "I am bob.")
    os.utime(course.submitted("ada") / "mini.ipynb")  # a later date alone is no change
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert [event["student"] for event in course.events("recorded")] == ["bob"]
    assert course.events("recorded")[0]["score"] == 9
    fresh = {event["student"] for event in course.events("pagemade") if event["fresh"]}
    assert fresh == {"bob"}


def test_force_and_student_and_dry_run(undisturbed: MiniCourse, tmp_path: Path) -> None:
    course = undisturbed.copy(tmp_path / "options")
    (course.root / "grader.log").unlink()
    course.submit("ada", WRONG)
    before = course.files(), rows(course)
    code, output = course.run("run", ASSIGNMENT, "--dry-run")
    assert code == 0
    assert "ada: would be graded" in output
    assert "bob: graded already" in output
    assert (course.files(), rows(course)) == before
    code, output = course.run("run", "--assignment", ASSIGNMENT, "--student=eve[1]", "--force")
    assert code == 0, output
    assert [event["student"] for event in course.events("recorded")] == ["eve[1]"]
    assert course.files() == before[0]


def test_a_late_penalty_follows_a_grade_given_by_hand(
    undisturbed: MiniCourse, tmp_path: Path
) -> None:
    course = undisturbed.copy(tmp_path / "late")
    with course.api().gradebook as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2028-01-01 12:00:00 UTC")
        gradebook.find_grade("explain", "mini", ASSIGNMENT, "ada").manual_score = 5
        gradebook.db.commit()
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    page = course.files("feedback")[f"feedback/ada/{ASSIGNMENT}/mini.html"].decode()
    assert "Late submission penalty" in page
    assert "Score: 0 / 14" in page
    assert "-14" in page


def test_hidden_tests_are_shown_after_the_due_date_where_the_course_says_so(
    undisturbed: MiniCourse, tmp_path: Path
) -> None:
    course = undisturbed.copy(tmp_path / "shown")
    config = course.root / "nbgrader_config.py"
    silent = config.read_text()
    says_so = silent.replace("use_wall(c)", "use_wall(c, show_hidden_tests_after_deadline=True)")
    future, past = "2999-01-01 12:00:00 UTC", "2000-01-01 12:00:00 UTC"
    found = {}
    for text, due in ((says_so, None), (says_so, future), (silent, past), (says_so, past)):
        config.write_text(text)
        with course.api().gradebook as gradebook:
            gradebook.update_or_create_assignment(ASSIGNMENT, duedate=due)
        code, output = course.run("run", ASSIGNMENT, "--student=ada")  # who passed: no message
        assert code == 0, output
        page = course.files("feedback")[f"feedback/ada/{ASSIGNMENT}/mini.html"]
        found[text is says_so, due] = b"secret token" in page
    expected = dict.fromkeys(found, False) | {(True, past): True}
    assert found == expected


def test_students_who_are_not_in_the_gradebook_are_refused_where_the_course_says_so(
    course: MiniCourse,
) -> None:
    with course.api().gradebook as gradebook:
        gradebook.add_student("ada")
    code, output = course.run("run", ASSIGNMENT, "--Autograde.create_student=False")
    assert code == 1
    assert "bob: is not in the gradebook" in output
    assert [row[1] for row in rows(course)["submission"]] == ["ada"]


WRONG_ARGUMENTS = {
    "run": "which assignment",
    "run nope": "is the assignment's name right?",
    "run a b": "one assignment at a time",
    "": "Which command?",
    "run mini --workers=-1": "'workers' trait",
    "run mini --workers=abc": "'workers' trait",
    "run mini --wrkers=3": "there is no option --wrkers",
    "run mini --Foo.bar=3": "there is no option --Foo.bar",
    "run mini --ClassApp.wrkers=3": "there is no option --ClassApp.wrkers",
    "run mini --frce": "--frce",
    "run mini --student=": "no student '' has submitted mini",
    "run mini --student=adda": "no student 'adda' has submitted mini",
    "run mini --student=z*": "no student 'z*' has submitted mini",
    "run mini --student=z* --dry-run": "no student 'z*' has submitted mini",
    "run mini --student=ada --CourseDirectory.student_id_exclude=ada": "no student 'ada'",
    "run mini --LateSubmissionPlugin.penalty_method=foo": "'penalty_method' trait",
    "run mini --ClassApp.timings=/nonexistent/x.log": "/nonexistent/x.log: No such file",
    "run mini --GenerateFeedback.permissions=888": "three octal digits",
    "run mini --db=nonsense": "db_url names no database",
    "run mini --db=sqlite:////nowhere/x.db": "there is no /nowhere/x.db",
    "run mini --ClassApp.patience=0.1 --db=postgresql+psycopg://x@127.0.0.1:1/x": "refused",
    "watch mini --WatchApp.seconds=0": "'seconds' trait",
}
WRONG_CONFIGURATION = {
    'c.WalledAutograde.limits = {"nope": 1}': "no limit is called 'nope'",
    'c.WalledAutograde.limits = {"check_seconds": "x"}': "the limit check_seconds is 'x'",
    "c.WalledAutograde.limits = 3": "'limits' trait",
    'c.AssignLatePenalties.plugin_class = "no.such"': "'plugin_class' trait",
    "1 / 0": "nbgrader_config.py cannot be read: ZeroDivisionError",
}


def assert_refused(course: MiniCourse, code: int, output: str, said: str) -> None:
    assert code == 2
    assert said in output
    assert "Traceback" not in output
    assert not (course.root / "autograded").exists()


@pytest.mark.parametrize(("arguments", "said"), WRONG_ARGUMENTS.items())
def test_wrong_arguments_are_refused(course: MiniCourse, arguments: str, said: str) -> None:
    code, output = course.run(*arguments.split())
    assert_refused(course, code, output, said)


@pytest.mark.parametrize(("line", "said"), WRONG_CONFIGURATION.items())
def test_a_wrong_configuration_is_refused(course: MiniCourse, line: str, said: str) -> None:
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write(f"{line}\n")
    code, output = course.run("run", ASSIGNMENT)
    assert_refused(course, code, output, said)


def test_nothing_to_grade_is_said(course: MiniCourse) -> None:
    shutil.rmtree(course.root / "submitted")
    for everybody in ([], ["--student=*"]):
        code, output = course.run("run", ASSIGNMENT, *everybody)
        assert (code, output.count("nobody has submitted mini")) == (0, 1)


def test_help_tells_the_exit_codes(course: MiniCourse) -> None:
    code, output = course.run("run", "--help")
    assert code == 0
    assert all(f"{number} " in output.split("Exit codes:")[1] for number in (0, 1, 2, 3, 130))


def test_a_source_that_differs_from_the_gradebook_stops_the_run(course: MiniCourse) -> None:
    path = course.root / "source" / ASSIGNMENT / "mini.ipynb"
    path.write_text(path.read_text().replace("double(21) == 42", "double(22) == 44"))
    code, output = course.run("run", ASSIGNMENT)
    assert code == 2
    assert "generate_assignment" in output
    assert not (course.root / "autograded").exists()


@pytest.mark.parametrize("count", [0, 1])
def test_a_class_of_none_and_of_one(course: MiniCourse, count: int) -> None:
    for student in list(ANSWERS)[count:]:
        shutil.rmtree(course.root / "submitted" / student)
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert len(rows(course)["submission"]) == count


def test_the_unreadable_are_listed_and_stop_nobody(course: MiniCourse) -> None:
    (course.submitted("bob") / "mini.ipynb").write_text("{")
    (course.submitted("cy d") / "mini.ipynb").unlink()
    (course.submitted("eve[1]") / "timestamp.txt").write_text("tomorrow")
    course.submit("fay", LOOPING)
    raising = "def double(x):\n    raise TimeoutError('it did not finish within 1 s')"
    course.submit("ada", GOOD | {"double": raising})
    code, output = course.run("run", ASSIGNMENT, "--workers=1")
    assert code == 1
    assert "bob: mini.ipynb is not valid JSON (line 1)" in output
    assert "cy d: mini.ipynb is missing" in output
    assert "eve[1]: timestamp.txt holds no" in output
    assert {row[1] for row in rows(course)["submission"]} == {"ada", "dée", "fay"}
    timed_out = {event["student"]: event["timed_out"] for event in course.events("recorded")}
    assert timed_out["fay"] == ["mini/test_total"]
    assert timed_out["ada"] == []  # whatever its own exceptions say


def test_honest_mistakes_and_what_was_printed_are_told_to_staff(course: MiniCourse) -> None:
    """At the end of the run and in the log; nothing of it in what a student gets."""
    talking = {"double": "def double(x):\n    print('thinking of', x)\n    return 2 * x"}
    course.submit("ada", GOOD | talking)
    path = course.submitted("bob") / "mini.ipynb"
    notebook = nbformat.reads(course.notebook(GOOD), as_version=4)
    pasted = next(cell for cell in notebook.cells if "assert double(2)" in cell.source)
    notebook.cells.append(nbformat.from_dict({**pasted, "id": "pasted"}))
    nbformat.write(notebook, path)
    code, output = course.run("run", ASSIGNMENT, "--workers=1")
    assert code == 0
    assert "to look at: bob: test_double is there more than once" in " ".join(output.split())
    told = {event["student"]: event for event in course.events("recorded")}
    assert told["ada"]["printed"]["mini/test_double-hidden"] == "thinking of 21"
    assert told["ada"]["notes"] == []
    assert told["bob"]["printed"] == {}
    assert not any(b"thinking of 21" in content for content in course.files().values())


def test_twenty_times_killed_the_class_is_complete_and_the_same(
    course: MiniCourse, tmp_path: Path
) -> None:
    for number in range(25):
        course.submit(f"student {number}", GOOD if number % 3 else WRONG, f"Number {number}.")
    course_secret(course.root)
    undisturbed = course.copy(tmp_path / "undisturbed")
    chance = random.Random(4)
    log = course.root / "grader.log"
    for number in range(20):
        process = course.start("run", ASSIGNMENT, "--workers=2")
        if number % 2:  # anywhere in the beginning
            process.join(chance.uniform(0.0, 0.5))
        else:  # anywhere at work
            before = log.stat().st_size if log.exists() else 0
            while process.is_alive() and (not log.exists() or log.stat().st_size < before + 500):
                time.sleep(0.005)
            process.join(chance.uniform(0.0, 0.2))
        relatives = family(process.pid or 0) if process.is_alive() else set()
        process.kill()
        process.join()
        assert not wait_until_gone(relatives), "a worker or a sandbox outlived its driver"
    recorded = {event["student"] for event in course.events("recorded")}
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert len(recorded) >= 3
    graded = [event["student"] for event in course.events("recorded") if not event["resumed"]]
    assert len(graded) == len(set(graded))
    code, output = undisturbed.run("run", ASSIGNMENT)
    assert code == 0, output
    assert_same(course, undisturbed)


def test_two_runs_at_once_share_the_work(course: MiniCourse, undisturbed: MiniCourse) -> None:
    shutil.copy(undisturbed.root / "course.secret", course.root)
    runs = [
        course.start("run", ASSIGNMENT, "--workers=1", f"--ClassApp.timings={n}.log") for n in "ab"
    ]
    for run in runs:
        run.join(120)
    assert [run.exitcode for run in runs] == [0, 0], course.output()
    assert_same(course, undisturbed)
    graded = [
        json.loads(line)["student"]
        for name in "ab"
        for line in (course.root / f"{name}.log").read_text().splitlines()
        if '"recorded"' in line
    ]
    assert sorted(graded) == sorted(ANSWERS)


def test_a_submission_that_changes_while_it_is_read_is_graded_as_it_came_to_be(
    course: MiniCourse,
) -> None:
    done = threading.Event()
    path = course.submitted("ada") / "mini.ipynb"
    contents = [course.notebook(GOOD), course.notebook(WRONG)]

    def change() -> None:
        while not done.wait(0.0005):
            contents.reverse()
            path.with_suffix(".new").write_bytes(contents[0])
            path.with_suffix(".new").rename(path)

    thread = threading.Thread(target=change)
    thread.start()
    time.sleep(0.05)
    first, output = course.run("run", ASSIGNMENT, "--student=ada")
    done.set()
    thread.join()
    assert first == 0 or "change while they are read" in output
    path.write_bytes(course.notebook(WRONG))
    code, output = course.run("run", ASSIGNMENT, "--student=ada")
    assert code == 0, output
    with course.api().gradebook as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, "ada").score == 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, but: int) -> None:
    """Leave so many bytes of the disk free."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(free - but))


def assert_stopped(code: int, output: str, why: str) -> None:
    assert code == 3, output
    assert why in output
    assert "run the same command again" in output
    assert "Traceback" not in output


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(
    course: MiniCourse, undisturbed: MiniCourse, small_disk: Path
) -> None:
    shutil.copy(undisturbed.root / "course.secret", course.root)
    (course.root / "autograded").symlink_to(small_disk)
    fill(small_disk, but=14 * 1024)
    assert_stopped(*course.run("run", ASSIGNMENT), "No space left on device")
    (small_disk / "filler").unlink()
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    (course.root / "autograded").unlink()
    shutil.copytree(small_disk, course.root / "autograded")
    assert_same(course, undisturbed)


def test_a_full_disk_under_the_gradebook_costs_no_grade(
    course: MiniCourse, undisturbed: MiniCourse, small_disk: Path
) -> None:
    shutil.copy(undisturbed.root / "course.secret", course.root)
    database = course.root / "gradebook.db"
    shutil.move(database, small_disk)
    course.db_url = f"sqlite:///{small_disk}/gradebook.db"
    course.configure()
    fill(small_disk, but=4096)
    code, output = course.run("run", ASSIGNMENT, "--ClassApp.patience=0.5")
    assert_stopped(code, output, "disk is full")
    assert not course.events("recorded")
    (small_disk / "filler").unlink()
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    assert any(event["resumed"] for event in course.events("recorded"))
    shutil.copy(small_disk / "gradebook.db", database)
    assert_same(course, undisturbed)


def test_a_gradebook_that_goes_away_stops_the_run_and_the_next_one_goes_on(
    course: MiniCourse, undisturbed: MiniCourse
) -> None:
    shutil.copy(undisturbed.root / "course.secret", course.root)
    for number in range(20):
        course.submit(f"student {number}", GOOD)
    database = course.root / "gradebook.db"
    run = course.start("run", ASSIGNMENT, "--workers=1", "--ClassApp.patience=0.5")
    log = course.root / "grader.log"
    while run.is_alive() and (not log.exists() or not course.events("recorded")):
        time.sleep(0.01)
    database.rename(course.root / "away.db")
    run.join(60)
    assert_stopped(run.exitcode or 0, course.output(), "the gradebook of mini")
    assert not database.exists()
    code, output = course.run("run", ASSIGNMENT)
    assert code == 2
    assert f"there is no {database}" in output
    (course.root / "away.db").rename(database)
    code, output = course.run("run", ASSIGNMENT)
    assert code == 0, output
    graded = [event["student"] for event in course.events("recorded") if not event["resumed"]]
    assert len(graded) == len(set(graded))
    assert len(rows(course)["submission"]) == 20 + len(ANSWERS)


def test_a_folder_that_cannot_be_written_is_said_to_be(course: MiniCourse) -> None:
    (course.root / "autograded").mkdir()
    if os.geteuid() == 0:  # root may write anywhere but on a read-only file system
        autograded = str(course.root / "autograded")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", autograded], check=True)
    else:
        (course.root / "autograded").chmod(0o500)
    try:
        before = rows(course)
        code, output = course.run("run", ASSIGNMENT)
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(course.root / "autograded")], check=True)
    assert code == 3, output
    assert "make the folder writable" in output
    assert rows(course) == before
