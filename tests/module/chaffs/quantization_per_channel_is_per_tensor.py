"""Hands the layer to the per-tensor scheme."""

GROUP = "test_quantization_comprehensive"


def quantize_layer_weights_per_channel(layer, bits=8):
    if type(bits) not in (int, np.int32, np.int64) or not 2 <= bits <= 16:
        raise ValueError("bits must be an integer in 2..16")
    return quantize_layer_weights(layer, bits)
