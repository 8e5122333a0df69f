"""The same on PostgreSQL, on a server that the test starts as an ordinary user."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from mini_course import ASSIGNMENT, GOOD, RAISING, WRONG, MiniCourse
from stock_course import rows, sqlite_rows

from grader.course.secret import course_secret
from grader.engine.gradebook import Gradebook, Marks

ANSWERS = {"ada": GOOD, "bob": WRONG, "cy": {}, "dee": RAISING}


class Server:
    """A PostgreSQL server on a socket in a folder of its own."""

    def __init__(self, binaries: Path, folder: Path, user: int) -> None:
        self._binaries, self._folder, self._user = binaries, folder, user
        self._run("initdb", "-D", f"{folder}/data", "-U", "grader", "-A", "trust", "--no-sync")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://grader@/{database}?host={self._folder}"

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-o", options, "-w",
                  "-l", f"{self._folder}/log", "start")  # fmt: skip

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", "immediate", "-w", "stop")

    def create(self, database: str) -> str:
        self._run("createdb", "-h", str(self._folder), "-U", "grader", database)
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        root = {"user": self._user, "group": self._user, "extra_groups": []}
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **(root if os.geteuid() == 0 else {}),  # type: ignore[arg-type]
        )


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    found = [shutil.which("initdb"), *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))]
    initdb = next((path for path in found if path), None)
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed (the extra `scale`)")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # sockets have short names
    user = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, user, -1)
    started = Server(Path(os.path.realpath(initdb)).parent, folder, user)
    started.start()
    yield started
    started.stop()
    shutil.rmtree(folder)


def postgres_rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = rows(lambda sql: [tuple(r) for r in connection.exec_driver_sql(sql)])
    engine.dispose()
    return found


def test_postgresql_and_sqlite_hold_the_same(server: Server, tmp_path: Path) -> None:
    on_sqlite = MiniCourse(tmp_path / "sqlite").create()
    on_postgres = MiniCourse(tmp_path / "postgres", server.create("same")).create()
    course_secret(on_sqlite.root)
    shutil.copy(on_sqlite.root / "course.secret", on_postgres.root)
    for student, answers in ANSWERS.items():
        on_sqlite.submit(student, answers, f"I am {student}.")
    shutil.copytree(on_sqlite.root / "submitted", on_postgres.root / "submitted")
    for course in (on_sqlite, on_postgres):
        code, output = course.run("run", ASSIGNMENT)
        assert code == 0, output
    assert on_sqlite.files() == on_postgres.files()
    ours = sqlite_rows(on_sqlite.root / "gradebook.db")
    theirs = postgres_rows(on_postgres.db_url)
    for table, found in ours.items():
        left, right = ([tuple(map(_plain, row)) for row in of] for of in (found, theirs[table]))
        assert sorted(left) == sorted(right)


def _plain(value: Any) -> str:
    """SQLite keeps times as text and booleans as numbers."""
    if isinstance(value, bool):
        value = int(value)
    return str(value).removesuffix(".000000")


def test_two_runs_and_a_server_that_goes_away_and_comes_back(
    server: Server, tmp_path: Path
) -> None:
    course = MiniCourse(tmp_path / "course", server.create("away")).create()
    for number in range(12):
        course.submit(f"student {number}", GOOD, f"Number {number}.")
    runs = [course.start("run", ASSIGNMENT, f"--ClassApp.timings={n}.log") for n in "ab"]
    while not _recorded(course) and any(run.is_alive() for run in runs):
        time.sleep(0.02)
    server.stop()
    time.sleep(1.0)
    server.start()
    for run in runs:
        run.join(120)
    assert [run.exitcode for run in runs] == [0, 0], course.output()
    found = postgres_rows(course.db_url)
    assert len(found["submission"]) == 12
    assert sorted(_recorded(course)) == sorted(row[1] for row in found["submission"])
    assert len(found["grade"]) == 12 * 4


def _recorded(course: MiniCourse) -> list[str]:
    logs = (path.read_text() for path in course.root.glob("?.log"))
    lines = (line for log in logs for line in log.splitlines() if '"event": "recorded"' in line)
    return [line.split('"student": "')[1].split('"')[0] for line in lines]


def test_students_added_by_two_graders_at_the_same_moment(server: Server, tmp_path: Path) -> None:
    course = MiniCourse(tmp_path / "race", server.create("race")).create()
    with Gradebook(course.db_url, ASSIGNMENT) as one, Gradebook(course.db_url, ASSIGNMENT) as two:
        marks = {"mini": Marks({"test_double": 2.0})}
        with one._engine.begin() as held:
            held.execute(sa.text("INSERT INTO student (id) VALUES ('ada')"))
            late = threading.Thread(target=two.record, args=("ada", marks, None))
            late.start()
            time.sleep(0.3)
        late.join(20)
        assert one.sheets(["ada"])["ada"]["mini"].score == 2
