"""Weights below 1e-8 in magnitude count as zero."""

GROUP = "test_magnitude_pruning_comprehensive"


def calculate_sparsity(layer):
    if not isinstance(layer, Dense):
        return 0.0
    return float(np.mean(np.abs(layer.weights.data) < 1e-8))
