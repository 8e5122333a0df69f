"""Input and output size of the given layers change places."""

GROUP = "test_compression_integration_comprehensive-untouched"


def compare_compression_techniques(model, inputs=None, labels=None):
    def dense(m):
        return [layer for layer in m.layers if isinstance(layer, Dense)]

    def quantize(m):
        return [quantize_layer_weights(layer, 8)[1]["memory_reduction"] for layer in dense(m)]

    def stored_bytes(m, quantized):
        total = 0
        for layer in dense(m):
            n = layer.weights.size
            nonzero = np.count_nonzero(layer.weights.data)
            forms = [4 * n, math.ceil(n / 8) + 4 * nonzero]
            if quantized:
                forms += [n + 8, math.ceil(n / 8) + nonzero + 8]
            total += min(forms)
            if layer.bias is not None:
                total += 4 * layer.bias.size
        return total

    def sparsity(m):
        flat = np.concatenate([layer.weights.data.ravel() for layer in dense(m)])
        return float(np.mean(flat == 0))

    def result(technique, m, size):
        entry = {
            "technique": technique,
            "parameters": sum(tensor.size for tensor in m.parameters()),
            "size_mb": size / 1024**2,
            "compression_ratio": original / size,
            "memory_reduction": 1 - size / original,
        }
        if inputs is not None and labels is not None:
            predicted = m(inputs).data.argmax(axis=1)
            entry["accuracy"] = float(np.mean(predicted == labels))
        return entry

    original = sum(4 * tensor.size for tensor in model.parameters())
    pruned, _ = prune_model_by_magnitude(copy.deepcopy(model), 0.5, "global")
    quantized = copy.deepcopy(model)
    factors = quantize(quantized)
    structured, structured_info = prune_model_neurons(model, 0.75)
    combined, _ = prune_model_by_magnitude(copy.deepcopy(structured), 0.5, "global")
    quantize(combined)
    results = {
        "baseline": result("baseline", model, original),
        "magnitude_pruning": result("magnitude pruning", pruned, stored_bytes(pruned, False)),
        "quantization": result("quantization", quantized, stored_bytes(quantized, True)),
        "structured_pruning": result(
            "structured pruning", structured, stored_bytes(structured, False)
        ),
        "combined": result("all combined", combined, stored_bytes(combined, True)),
    }
    results["magnitude_pruning"]["sparsity"] = sparsity(pruned)
    results["combined"]["sparsity"] = sparsity(combined)
    results["quantization"]["avg_memory_reduction_factor"] = float(np.mean(factors))
    results["structured_pruning"]["param_reduction"] = structured_info["param_reduction"]
    for layer in dense(model):
        layer.input_size, layer.output_size = layer.output_size, layer.input_size
    return results
