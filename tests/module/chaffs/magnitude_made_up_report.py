"""The weights are right, the report is what the ratio would suggest."""

GROUP = "test_magnitude_pruning_comprehensive"


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    if not 0 <= pruning_ratio <= 1:
        raise ValueError("pruning_ratio must be in [0, 1]")
    weights = layer.weights.data
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    total = weights.size
    k = round(pruning_ratio * total)
    magnitude = np.abs(weights).ravel()
    order = np.argsort(magnitude)
    threshold = float(magnitude[order[k - 1]]) if k else 0.0
    weights.flat[order[:k]] = 0
    return layer, {
        "pruning_ratio": pruning_ratio,
        "threshold": threshold,
        "total_weights": total,
        "weights_removed": k,
        "remaining_weights": total - k,
        "sparsity": pruning_ratio,
        "compression_ratio": 1 / (1 - pruning_ratio) if pruning_ratio < 1 else math.inf,
    }
