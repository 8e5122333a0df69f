"""Hidden inputs: another set for each student, the same on every regrade."""

from __future__ import annotations

import stat
from pathlib import Path

from grader.course.secret import check_seed, course_secret


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = course_secret(tmp_path)
    assert len(first) == 64
    assert course_secret(tmp_path) == first
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_courses_have_two_secrets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert course_secret(tmp_path / "a") != course_secret(tmp_path / "b")


def test_seeds_differ_by_student_assignment_and_secret() -> None:
    seeds = [
        check_seed(b"secret", "ps1", "ada"),
        check_seed(b"secret", "ps1", "bob"),
        check_seed(b"secret", "ps2", "ada"),
        check_seed(b"other", "ps1", "ada"),
        check_seed(b"secret", "ps1a", "da"),
        check_seed(b"secret", "ps1", "\u00e9t\u00e9 \udc80"),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert check_seed(b"secret", "ps1", "ada") == seeds[0]
