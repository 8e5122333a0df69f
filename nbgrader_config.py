"""The course: what nbgrader's commands and pages read when they start in this folder.

Every option here exists, in nbgrader or in grader/ (a test compares them with the traits); what is
not set keeps nbgrader's value.
"""

import os
import sys
from pathlib import Path

from grader.plugins.autograde import use_wall
from grader.plugins.plain import use_plain_errors
from grader.plugins.release import use_safe_release

COURSE = Path(__file__).resolve().parent

c = get_config()  # noqa: F821, defined by the loader

# nbgrader starts the program `alembic` for a new gradebook and takes for granted that it is on the
# PATH; beside this Python it is, whether or not the environment was activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# source/, release/, submitted/, autograded/, feedback/ and gradebook.db are in this folder.
c.CourseDirectory.root = str(COURSE)
c.CourseDirectory.course_id = "tinytorch"

# Never copied from one folder to the next. The first one is the master notebook's twin: it holds
# the solutions and hidden tests, and nbgrader would copy it as any other file beside the notebook.
# The second one is the grader's note on what it graded.
c.CourseDirectory.ignore = [
    "*_dev.py",
    ".grading.json",
    ".ipynb_checkpoints",
    "*.pyc",
    "__pycache__",
    "feedback",
]

# Where assignments are handed out and submissions handed in. This folder serves one account, to
# try the course out. For a class on one machine (JupyterHub), set a folder that every account can
# write to, such as /srv/nbgrader/exchange with mode 777, here and in the students' configuration.
c.Exchange.root = str(COURSE / "exchange")
# Formgrader shows no Release button while the folder is missing.
if os.access(COURSE, os.W_OK):
    (COURSE / "exchange").mkdir(exist_ok=True)

# The release is committed and the gradebook is not: without this, `nbgrader generate_assignment`
# would skip a fresh checkout's release, which exists already, and leave the gradebook empty.
c.GenerateAssignment.force = True

# Takes out what editors left in the notebook, and keeps the last release if a new one fails.
use_safe_release(c)

c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("this is where your own code goes")'
}

# Student code runs behind a wall, also from formgrader: docs/wall.md. With
# use_wall(c, show_hidden_tests_after_deadline=True) feedback made after the due date shows the
# source of the hidden tests.
use_wall(c)
# Seconds a submission may use; grader.wall.sandbox.Limits has the other limits and their values.
c.WalledAutograde.limits = {
    "cell_seconds": 30.0,
    "check_seconds": 5.0,
    "submission_seconds": 300.0,
}

# Feedback pages without the source of hidden tests, made many times faster than nbgrader's own.
c.GenerateFeedback.exporter_class = "grader.feedback.exporter.FeedbackExporter"
# Pages are made anew each time: nbgrader skips one that exists, also when its grade has changed.
c.GenerateFeedback.force = True

# Pages of submissions that did not come through the exchange are named, and the rest handed out.
c.ExchangeFactory.release_feedback = "grader.feedback.handout.ReleaseFeedback"

# Experiments train networks and draw pictures; no point depends on them.
c.Execute.skip_cells_with_tag = "experiment"

# For `nbgrader validate`, which runs notebooks in a kernel: seconds for one cell, and no warnings
# of the kernel's own (the history file is nbgrader's default, which would be replaced).
c.Execute.timeout = 30
c.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]

# What an endless `print` may leave in a feedback page.
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 30

# Errors in one line with what to do; `--log-level=DEBUG` shows whole tracebacks.
use_plain_errors(c)

# Late submissions are marked with how late they are and lose nothing, until the course decides
# otherwise: "zero" takes all points, a plugin_class of your own any other part (see nbgrader's
# documentation on late submissions). It applies to assignments with a due date: `nbgrader db
# assignment add 10_compression --duedate="2030-05-01 18:00 UTC"`.
c.LateSubmissionPlugin.penalty_method = "none"
