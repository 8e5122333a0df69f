"""`python -m grader`: see `grader.cli`."""

import gc
import sys


def main() -> None:
    """Run the command. What it needs is imported here, so that its workers need not."""
    # Nothing that is imported becomes garbage; looking for it takes a sixth of the time. Frozen,
    # it stays shared with the workers, which are forks.
    gc.disable()
    from grader.cli import GraderApp  # noqa: PLC0415

    gc.enable()
    gc.freeze()
    sys.exit(GraderApp.launch_instance())


if __name__ == "__main__":
    main()
