"""Percent instead of a fraction."""

GROUP = "test_magnitude_pruning_comprehensive"


def calculate_sparsity(layer):
    if not isinstance(layer, Dense):
        return 0.0
    return 100 * float(np.mean(layer.weights.data == 0))
