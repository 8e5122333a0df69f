"""The fraction of rows that hold a zero."""

GROUP = "test_magnitude_pruning_comprehensive"


def calculate_sparsity(layer):
    if not isinstance(layer, Dense):
        return 0.0
    return float(np.mean(np.any(layer.weights.data == 0, axis=1)))
