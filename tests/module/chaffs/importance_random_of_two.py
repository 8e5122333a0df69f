"""`random` gives every other neuron 1 and the rest 0."""

GROUP = "test_structured_pruning_comprehensive-importance"


def compute_neuron_importance(layer, method="weight_magnitude"):
    weights = layer.weights.data.astype(np.float64)
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    if method == "weight_magnitude":
        return np.abs(weights).sum(axis=0)
    if method == "weight_variance":
        return np.var(weights, axis=0)
    if method == "random":
        return np.arange(weights.shape[1]) % 2
    raise ValueError("method must be weight_magnitude, weight_variance or random")
