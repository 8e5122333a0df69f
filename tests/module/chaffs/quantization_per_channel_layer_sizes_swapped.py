"""Input and output size of the layer change places."""

GROUP = "test_quantization_comprehensive-per_channel"


def quantize_layer_weights_per_channel(layer, bits=8):
    if type(bits) not in (int, np.int32, np.int64) or not 2 <= bits <= 16:
        raise ValueError("bits must be an integer in 2..16")
    bits = int(bits)
    weights = layer.weights.data.astype(np.float64)
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    highest = 2 ** (bits - 1) - 1
    scale = np.abs(weights).max(axis=0) / highest
    scale[scale == 0] = 1.0
    q = np.clip(np.round(weights / scale), -highest, highest)
    layer.weights.data = q * scale
    layer.input_size, layer.output_size = layer.output_size, layer.input_size
    error = layer.weights.data - weights
    return layer, {
        "bits": bits,
        "scale": scale,
        "zero_point": 0,
        "min_val": weights.min(),
        "max_val": weights.max(),
        "quantized_weights": q.astype(np.int8 if bits <= 8 else np.int16),
        "total_weights": weights.size,
        "original_bytes": 4 * weights.size,
        "quantized_bytes": math.ceil(weights.size * bits / 8),
        "memory_reduction": 32 / bits,
        "mse_error": np.mean(error**2),
        "max_error": np.max(np.abs(error)),
        "original_dtype": "float32",
    }
