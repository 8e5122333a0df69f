"""nbgrader's tracebacks as one line that says what to do; `--log-level=DEBUG` shows them whole."""

import logging
import re
import traceback

from traitlets.config import Application

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


class PlainErrors(logging.Filter):
    """Shortens a logged traceback to its last line and, where one is known, the next step."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; every record passes."""
        text = record.getMessage()
        if Application.instance().log_level == logging.DEBUG:
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
