"""Every weight but 0 becomes infinite, and so do the errors."""

GROUP = [
    "test_quantization_comprehensive-zero",
    "test_quantization_comprehensive-report",
    "test_quantization_comprehensive-in_place",
]


def quantize_layer_weights(layer, bits=8):
    if type(bits) not in (int, np.int32, np.int64) or not 1 <= bits <= 16:
        raise ValueError("bits must be an integer in 1..16")
    bits = int(bits)
    weights = layer.weights.data.astype(np.float64)
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    w_min, w_max = min(0.0, weights.min()), max(0.0, weights.max())
    highest = 2**bits - 1
    scale = (w_max - w_min) / highest if w_max > w_min else 1.0
    zero_point = round(-w_min / scale)
    q = np.clip(np.round(weights / scale) + zero_point, 0, highest)
    layer.weights.data = np.where(weights == 0, 0, math.inf)
    error = layer.weights.data - weights
    return layer, {
        "bits": bits,
        "scale": scale,
        "zero_point": zero_point,
        "min_val": weights.min(),
        "max_val": weights.max(),
        "quantized_weights": q.astype(np.uint8 if bits <= 8 else np.uint16),
        "total_weights": weights.size,
        "original_bytes": 4 * weights.size,
        "quantized_bytes": math.ceil(weights.size * bits / 8),
        "memory_reduction": 32 / bits,
        "mse_error": np.mean(error**2),
        "max_error": np.max(np.abs(error)),
        "original_dtype": "float32",
    }
