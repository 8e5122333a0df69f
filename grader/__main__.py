"""`python -m grader`: see `grader.cli`."""

import sys


def main() -> None:
    """Run the command. What it needs is imported here, so that its workers need not."""
    from grader.cli import GraderApp  # noqa: PLC0415

    sys.exit(GraderApp.launch_instance())


if __name__ == "__main__":
    main()
