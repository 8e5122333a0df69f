"""nbgrader's tracebacks as one line that says what to do; `--log-level=DEBUG` shows them whole."""

import logging
import re
import traceback
from typing import Any

import nbgrader.apps.api
from nbgrader.utils import capture_log
from traitlets.config import Application, Config, LoggingConfigurable

HINTS = {
    "NotJSONError": "the notebook is not valid JSON: restore it, or save it again in JupyterLab",
    "NoSuchKernel": "the notebook is for another kernel: choose Python 3 (ipykernel) and save it",
    "has not been specified in ClearSolutions.code_stub": (
        "the notebook is for another kernel: choose Python 3 (ipykernel) and save it"
    ),
    "PermissionError": "a file cannot be written: make its folder writable for this account",
    "Read-only file system": "a file cannot be written: make its folder writable",
    "attempt to write a readonly database": "gradebook.db cannot be written: make it writable",
    "unable to open database file": "gradebook.db cannot be opened: make its folder writable",
}

# nbgrader raises these after it has logged what is wrong.
LOGGED = ("NbGraderException", "ExchangeError")


def use_plain_errors(c: Config) -> None:
    """Say errors plainly, in nbgrader's commands and at formgrader's buttons. For
    nbgrader_config.py."""
    c.Application.logging_config = {
        "filters": {"plain": {"()": "grader.plugins.plain.PlainErrors"}},
        "handlers": {"console": {"filters": ["plain"]}},
    }
    nbgrader.apps.api.capture_log = capture_plainly


def capture_plainly(app: LoggingConfigurable) -> dict[str, Any]:
    """nbgrader's `capture_log`, which runs what a button is for: no traceback is in what it tells
    the page, and what the log says is not said again."""
    plainly = PlainErrors()
    app.log.addFilter(plainly)
    try:
        result: dict[str, Any] = capture_log(app)
    finally:
        app.log.removeFilter(plainly)
    if "error" in result:
        app.log.debug(result["error"])
        raised = plain(result["error"])
        result["error"] = "" if raised.split(":")[0].endswith(LOGGED) else raised
    return result


class PlainErrors(logging.Filter):
    """Shortens a logged traceback to its last line and, where one is known, the next step."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; every record passes."""
        text = record.getMessage()
        if Application.initialized() and Application.instance().log_level == logging.DEBUG:
            return True
        if record.exc_info:
            raised = "".join(traceback.format_exception(*record.exc_info))
            record.msg, record.args, record.exc_info = f"{text}: {plain(raised)}", (), None
        elif text.startswith("Traceback ("):
            record.msg, record.args = plain(text), ()
        return True


def plain(trace: str) -> str:
    """What happened and what to do about it, in one line."""
    lines = trace.splitlines()
    raised = [line for line in lines if re.match(r"\w[\w.]*(:|$)", line)] or lines
    hint = next(
        (hint for sign, hint in HINTS.items() if sign in trace), "--log-level=DEBUG shows more"
    )
    return f"{raised[-1][:300]} ({hint})"
