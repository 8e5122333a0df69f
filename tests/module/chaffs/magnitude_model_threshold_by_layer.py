"""`threshold` is an array, one for each layer."""

GROUP = "test_magnitude_pruning_comprehensive-model_report"


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    if not 0 <= pruning_ratio <= 1:
        raise ValueError("pruning_ratio must be in [0, 1]")
    if scope not in ("global", "layer"):
        raise ValueError("scope must be 'global' or 'layer'")
    dense = {i: layer for i, layer in enumerate(model.layers) if isinstance(layer, Dense)}
    for layer in dense.values():
        if not np.isfinite(layer.weights.data).all():
            raise ValueError("weights must be finite")
    before = sum(np.count_nonzero(layer.weights.data) for layer in dense.values())
    if scope == "global":
        flat = np.concatenate([layer.weights.data.ravel() for layer in dense.values()])
        k = round(pruning_ratio * flat.size)
        order = np.argsort(np.abs(flat))
        threshold = float(np.abs(flat[order[k - 1]])) if k else 0.0
        flat[order[:k]] = 0
        start = 0
        for layer in dense.values():
            part = flat[start : start + layer.weights.size]
            layer.weights.data = part.reshape(layer.weights.shape)
            start += layer.weights.size
    else:
        infos = [prune_weights_by_magnitude(layer, pruning_ratio)[1] for layer in dense.values()]
        threshold = np.array([info["threshold"] for info in infos])
    layers = [
        {
            "index": i,
            "sparsity": float(np.mean(layer.weights.data == 0)),
            "remaining_weights": np.count_nonzero(layer.weights.data),
            "total_weights": layer.weights.size,
        }
        for i, layer in dense.items()
    ]
    total = sum(entry["total_weights"] for entry in layers)
    remaining = sum(entry["remaining_weights"] for entry in layers)
    return model, {
        "pruning_ratio": pruning_ratio,
        "scope": scope,
        "threshold": threshold,
        "total_weights": total,
        "weights_removed": before - remaining,
        "remaining_weights": remaining,
        "sparsity": 1 - remaining / total,
        "compression_ratio": total / remaining if remaining else math.inf,
        "layers": layers,
    }
