"""Where the README's figures come from: `python -m benchmarks`."""

# What the libraries behind NumPy, PyTorch and ONNX Runtime read when they are loaded.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
