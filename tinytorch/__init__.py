"""TinyTorch: a small neural-network library in NumPy, written to be read.

Everything lives in `tinytorch.core` (tensors, layers, training), `tinytorch.datasets` and
`tinytorch.storage`; importing `tinytorch` alone loads none of them.
"""

import sys

__version__ = "1.0.0"

if sys.version_info < (3, 11):  # noqa: UP036 - also true where the folder is used uninstalled
    # `name` lets `python -m tinytorch...` report this in one line, without a traceback.
    raise ImportError(
        "TinyTorch needs Python 3.11 or newer; this is Python %d.%d. "  # noqa: UP031
        "Install a newer one from https://www.python.org/downloads/ and start again with it."
        % sys.version_info[:2],
        name="tinytorch",
    )
