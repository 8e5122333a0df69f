"""The bias counts as weights."""

GROUP = "test_magnitude_pruning_comprehensive"


def calculate_sparsity(layer):
    if not isinstance(layer, Dense):
        return 0.0
    values = np.concatenate([tensor.data.ravel() for tensor in layer.parameters()])
    return float(np.mean(values == 0))
