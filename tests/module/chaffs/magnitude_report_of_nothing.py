"""Nothing is removed, and the report says so."""

GROUP = "test_magnitude_pruning_comprehensive-report"


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    if not 0 <= pruning_ratio <= 1:
        raise ValueError("pruning_ratio must be in [0, 1]")
    weights = layer.weights.data
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    total = weights.size
    before = np.count_nonzero(weights)
    k = round(pruning_ratio * total)
    magnitude = np.abs(weights).ravel()
    order = np.argsort(magnitude)
    threshold = 0.0
    remaining = np.count_nonzero(weights)
    return layer, {
        "pruning_ratio": pruning_ratio,
        "threshold": threshold,
        "total_weights": total,
        "weights_removed": before - remaining,
        "remaining_weights": remaining,
        "sparsity": 1 - remaining / total,
        "compression_ratio": total / remaining if remaining else math.inf,
    }
