"""What course staff use beside nbgrader; never part of what a student installs."""

import sys
from typing import Any

# Importing nbformat compiles a grammar for checking internationalised URIs, which no notebook
# has: 1 s of processor time for each process. Without the package jsonschema skips that check.
_absent: Any = None
sys.modules.setdefault("rfc3987_syntax", _absent)
