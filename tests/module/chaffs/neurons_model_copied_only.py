"""The model is copied, no neuron is removed."""

GROUP = "test_structured_pruning_comprehensive-model_arguments"


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not 0 < keep_ratio <= 1:
        raise ValueError("keep_ratio must be in (0, 1]")
    dense = [layer for layer in model.layers if isinstance(layer, Dense)]
    for layer in dense:
        compute_neuron_importance(layer, importance_method)
    layers, infos = [], []
    rows = slice(None)
    for layer in model.layers:
        if not isinstance(layer, Dense):
            layers.append(layer)
            continue
        columns = np.arange(layer.output_size)
        if layer is not dense[-1]:
            _, info = prune_layer_neurons(layer, keep_ratio, importance_method)
            infos.append(info)
        weights = layer.weights.data[rows][:, columns]
        new = Dense(*weights.shape, use_bias=layer.bias is not None)
        new.weights.data = weights
        if layer.bias is not None:
            new.bias.data = layer.bias.data[columns]
        layers.append(new)
        rows = columns
    pruned = Sequential(layers)
    original_params = sum(tensor.size for tensor in model.parameters())
    new_params = sum(tensor.size for tensor in pruned.parameters())
    return pruned, {
        "original_params": original_params,
        "new_params": new_params,
        "param_reduction": 1 - new_params / original_params,
        "compression_ratio": original_params / new_params,
        "layers": infos,
    }
