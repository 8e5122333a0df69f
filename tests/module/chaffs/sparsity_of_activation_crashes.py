"""A layer without weights is an AttributeError."""

GROUP = "test_magnitude_pruning_comprehensive"


def calculate_sparsity(layer):
    return float(np.mean(layer.weights.data == 0))
