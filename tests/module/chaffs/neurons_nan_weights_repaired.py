"""Weights that are NaN are set to 0 in the given layer, then refused."""

GROUP = "test_structured_pruning_comprehensive-bad_arguments"


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not 0 < keep_ratio <= 1:
        raise ValueError("keep_ratio must be in (0, 1]")
    if not np.isfinite(layer.weights.data).all():
        layer.weights.data[np.isnan(layer.weights.data)] = math.inf
        raise ValueError("weights must be finite")
    importance = compute_neuron_importance(layer, importance_method)
    neurons = layer.output_size
    k = max(1, int(keep_ratio * neurons))
    keep = np.sort(np.argsort(importance)[neurons - k :])
    pruned = Dense(layer.input_size, k, use_bias=layer.bias is not None)
    pruned.weights.data = layer.weights.data[:, keep]
    if layer.bias is not None:
        pruned.bias.data = layer.bias.data[keep]
    original_params = sum(tensor.size for tensor in layer.parameters())
    new_params = sum(tensor.size for tensor in pruned.parameters())
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": neurons,
        "remaining_neurons": k,
        "neurons_removed": neurons - k,
        "compression_ratio": neurons / k,
        "original_params": original_params,
        "new_params": new_params,
        "param_reduction": 1 - new_params / original_params,
        "keep_indices": keep,
    }
