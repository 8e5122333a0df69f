"""All neurons stay, and the report says so."""

GROUP = [
    "test_structured_pruning_comprehensive-report",
    "test_structured_pruning_comprehensive-original_kept",
]


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not 0 < keep_ratio <= 1:
        raise ValueError("keep_ratio must be in (0, 1]")
    importance = compute_neuron_importance(layer, importance_method)
    neurons = layer.output_size
    k = neurons
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
