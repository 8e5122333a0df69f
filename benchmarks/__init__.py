"""Where the README's figures come from: `python -m benchmarks`."""

import os

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
for _variable in THREADS:  # read once, when NumPy is imported: so before anything else here
    os.environ[_variable] = "1"
