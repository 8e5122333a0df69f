"""The course: what nbgrader's commands and pages read when they start in this folder.

Every option here exists in nbgrader 0.9 (a test compares them with its traits); what is not set
keeps nbgrader's value.
"""

from pathlib import Path

COURSE = Path(__file__).resolve().parent

c = get_config()  # noqa: F821, defined by the loader

# source/, release/, submitted/, autograded/, feedback/ and gradebook.db are in this folder.
c.CourseDirectory.root = str(COURSE)
c.CourseDirectory.course_id = "tinytorch"

# Never copied into a release, a submission or a feedback folder. The first one is the master
# notebook's twin: it holds the solutions and hidden tests, and nbgrader would copy it as any
# other file beside the notebook.
c.CourseDirectory.ignore = ["*_dev.py", ".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback"]

# Where assignments are handed out and submissions handed in. This folder serves one account, to
# try the course out. For a class on one machine (JupyterHub), set a folder that every account can
# write to, such as /srv/nbgrader/exchange with mode 777, here and in the students' configuration.
c.Exchange.root = str(COURSE / "exchange")

# The release is committed and the gradebook is not: without this, `nbgrader generate_assignment`
# would skip a fresh checkout's release, which exists already, and leave the gradebook empty.
c.GenerateAssignment.force = True

# Takes out what editors left in the notebook, before nbgrader takes out the solutions.
c.GenerateAssignment.preprocessors.prepend(["grader.release.ClearEditorMetadata"])

c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("this is where your own code goes")'
}

# Experiments train networks and draw pictures; no point depends on them.
c.Execute.skip_cells_with_tag = "experiment"
# Seconds for one cell. The slowest graded cell of the reference takes well under one.
c.Execute.timeout = 10

# One line of the kernel for each notebook otherwise; the history is nbgrader's own setting, kept.
c.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]

# What an endless `print` may leave in a feedback page.
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 30

# Errors in one line with what to do; `--log-level=DEBUG` shows whole tracebacks.
c.Application.logging_config = {
    "filters": {"plain": {"()": "grader.plain.PlainErrors"}},
    "handlers": {"console": {"filters": ["plain"]}},
}

# Late submissions are marked with how late they are and lose nothing, until the course decides
# otherwise: "zero" takes all points, a plugin_class of your own any other part (see nbgrader's
# documentation on late submissions). It applies to assignments with a due date: `nbgrader db
# assignment add 10_compression --duedate="2030-05-01 18:00 UTC"`.
c.LateSubmissionPlugin.penalty_method = "none"
