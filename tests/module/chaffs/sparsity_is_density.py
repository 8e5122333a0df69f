"""The fraction of weights that are not zero."""

GROUP = "test_magnitude_pruning_comprehensive"


def calculate_sparsity(layer):
    if not isinstance(layer, Dense):
        return 0.0
    return float(np.mean(layer.weights.data != 0))
