"""Vectorised NumPy, arrays written in place, argpartition for every ranking."""


class CompressionMetrics:
    def count_parameters(self, model):
        counts, weights, biases = {}, 0, 0
        for i, layer in enumerate(model.layers):
            if isinstance(layer, Dense):
                counts[f"layer_{i}_weights"] = layer.weights.data.size
                weights += layer.weights.data.size
                if layer.bias is not None:
                    counts[f"layer_{i}_bias"] = layer.bias.data.size
                    biases += layer.bias.data.size
        return counts | {
            "total_weights": weights,
            "total_bias": biases,
            "total_parameters": weights + biases,
        }

    def calculate_model_size(self, model, dtype="float32"):
        widths = {"float32": 4, "float16": 2, "int8": 1, "int4": 0.5}
        if dtype not in widths:
            raise ValueError(f"dtype must be one of {sorted(widths)}")
        n = self.count_parameters(model)["total_parameters"]
        size = math.ceil(n * widths[dtype])
        return {
            "total_parameters": n,
            "bytes_per_parameter": widths[dtype],
            "total_bytes": size,
            "size_kb": size / 1024,
            "size_mb": size / 1024 / 1024,
            "dtype": dtype,
        }


def check_finite(arrays):
    if not all(np.isfinite(a).all() for a in arrays):
        raise ValueError("all weights must be finite")


def check_pruning_ratio(ratio):
    if not 0 <= ratio <= 1:
        raise ValueError("pruning_ratio must be in [0, 1]")


def zero_smallest(flat, k):
    """Zero the k smallest magnitudes of a flat array, in place; the largest of them."""
    if k == 0:
        return 0.0
    magnitudes = np.abs(flat)
    smallest = np.argpartition(magnitudes, k - 1)[:k]
    flat[smallest] = 0
    return float(magnitudes[smallest].max())


def pruning_info(ratio, threshold, total, before, after):
    return {
        "pruning_ratio": ratio,
        "threshold": threshold,
        "total_weights": total,
        "weights_removed": before - after,
        "remaining_weights": after,
        "sparsity": 1 - after / total if total else 0.0,
        "compression_ratio": total / after if after else float("inf"),
    }


def calculate_sparsity(layer):
    if getattr(layer, "weights", None) is None:
        return 0.0
    return float(np.mean(layer.weights.data == 0))


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    check_pruning_ratio(pruning_ratio)
    check_finite([layer.weights.data])
    flat = layer.weights.data.flatten()
    before = np.count_nonzero(flat)
    threshold = zero_smallest(flat, round(pruning_ratio * flat.size))
    layer.weights.data[...] = flat.reshape(layer.weights.data.shape)
    after = np.count_nonzero(flat)
    return layer, pruning_info(pruning_ratio, threshold, flat.size, before, after)


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    check_pruning_ratio(pruning_ratio)
    if scope not in ("global", "layer"):
        raise ValueError("scope must be 'global' or 'layer'")
    dense = [(i, layer) for i, layer in enumerate(model.layers) if isinstance(layer, Dense)]
    check_finite([layer.weights.data for _, layer in dense])
    if scope == "global":
        flat = np.concatenate([layer.weights.data.ravel() for _, layer in dense] or [np.empty(0)])
        before = np.count_nonzero(flat)
        threshold = zero_smallest(flat, round(pruning_ratio * flat.size))
        start = 0
        for _, layer in dense:
            stop = start + layer.weights.data.size
            layer.weights.data[...] = flat[start:stop].reshape(layer.weights.data.shape)
            start = stop
        total, after = flat.size, np.count_nonzero(flat)
    else:
        infos = [prune_weights_by_magnitude(layer, pruning_ratio)[1] for _, layer in dense]
        threshold = max((info["threshold"] for info in infos), default=0.0)
        total = sum(info["total_weights"] for info in infos)
        after = sum(info["remaining_weights"] for info in infos)
        before = after + sum(info["weights_removed"] for info in infos)
    info = pruning_info(pruning_ratio, threshold, total, before, after)
    info["scope"] = scope
    info["layers"] = [
        {
            "index": i,
            "sparsity": calculate_sparsity(layer),
            "remaining_weights": np.count_nonzero(layer.weights.data),
            "total_weights": layer.weights.data.size,
        }
        for i, layer in dense
    ]
    return model, info


def check_bits(bits, lowest):
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)):
        raise ValueError("bits must be an integer")
    if not lowest <= bits <= 16:
        raise ValueError(f"bits must be in {lowest}..16")


def quantization_info(bits, scale, zero_point, w, q, restored):
    error = restored.astype(np.float64) - w
    return {
        "bits": bits,
        "scale": scale,
        "zero_point": zero_point,
        "min_val": float(w.min()),
        "max_val": float(w.max()),
        "quantized_weights": q,
        "total_weights": w.size,
        "original_bytes": 4 * w.size,
        "quantized_bytes": math.ceil(w.size * int(bits) / 8),
        "memory_reduction": 32 / bits,
        "mse_error": float(np.mean(error**2)),
        "max_error": float(np.abs(error).max()),
        "original_dtype": str(w.dtype),
    }


def quantize_layer_weights(layer, bits=8):
    check_bits(bits, 1)
    w = layer.weights.data.copy()
    check_finite([w])
    top = 2 ** int(bits) - 1
    low, high = min(0.0, float(w.min())), max(0.0, float(w.max()))
    scale = (high - low) / top if high > low else 1.0
    zero_point = round(-low / scale)
    q = np.clip(np.round(w / scale) + zero_point, 0, top)
    q = q.astype(np.uint8 if bits <= 8 else np.uint16)
    layer.weights.data[...] = (q.astype(np.float64) - zero_point) * scale
    return layer, quantization_info(bits, scale, zero_point, w, q, layer.weights.data)


def quantize_layer_weights_per_channel(layer, bits=8):
    check_bits(bits, 2)
    w = layer.weights.data.copy()
    check_finite([w])
    top = 2 ** (int(bits) - 1) - 1
    largest = np.abs(w).max(axis=0).astype(np.float64)
    scale = np.where(largest > 0, largest / top, 1.0)
    q = np.clip(np.round(w / scale), -top, top).astype(np.int8 if bits <= 8 else np.int16)
    layer.weights.data[...] = q * scale
    return layer, quantization_info(bits, scale, 0, w, q, layer.weights.data)


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        if not 0 < temperature < np.inf:
            raise ValueError("temperature must be positive and finite")
        if not 0 <= alpha <= 1:
            raise ValueError("alpha must be in [0, 1]")
        self.temperature = temperature
        self.alpha = alpha

    def _softmax(self, logits):
        e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def _cross_entropy_loss(self, logits, labels):
        log_p = self._log_softmax(np.asarray(logits, dtype=np.float64))
        return float(-np.mean(np.sum(self._one_hot(labels, *log_p.shape) * log_p, axis=1)))

    def _log_softmax(self, z):
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    def _one_hot(self, labels, batch, classes):
        labels = np.asarray(labels.data if isinstance(labels, Tensor) else labels)
        if labels.dtype.kind not in "iuf":
            raise ValueError("labels must be numbers")
        if labels.shape == (batch, classes):
            if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
                raise ValueError("one-hot labels have a single 1 in each row")
            return labels.astype(np.float64)
        if labels.shape != (batch,):
            raise ValueError("labels must have the shape (batch,) or (batch, classes)")
        if not np.isin(labels, np.arange(classes)).all():
            raise ValueError("class indices must be whole numbers from 0 to classes - 1")
        return np.eye(classes)[labels.astype(int)]

    def _prepare(self, student, teacher, labels):
        student, teacher = (
            np.asarray(x.data if isinstance(x, Tensor) else x, dtype=np.float64)
            for x in (student, teacher)
        )
        if student.shape != teacher.shape or student.ndim != 2 or student.size == 0:
            raise ValueError("logits must both have the same shape (batch, classes), not empty")
        return student, teacher, self._one_hot(labels, *student.shape)

    def __call__(self, student_logits, teacher_logits, true_labels):
        s, t, y = self._prepare(student_logits, teacher_logits, true_labels)
        hard = -np.mean(np.sum(y * self._log_softmax(s), axis=1))
        log_p = self._log_softmax(t / self.temperature)
        log_q = self._log_softmax(s / self.temperature)
        soft = np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=1))
        return float(self.alpha * hard + (1 - self.alpha) * self.temperature**2 * soft)

    def gradient(self, student_logits, teacher_logits, true_labels):
        s, t, y = self._prepare(student_logits, teacher_logits, true_labels)
        temperature = self.temperature
        hard = self._softmax(s) - y
        soft = self._softmax(s / temperature) - self._softmax(t / temperature)
        return (self.alpha * hard + (1 - self.alpha) * temperature * soft) / len(s)


def compute_neuron_importance(layer, method="weight_magnitude"):
    w = layer.weights.data
    check_finite([w])
    if method == "weight_magnitude":
        return np.abs(w).sum(axis=0)
    if method == "weight_variance":
        return w.var(axis=0)
    if method == "random":
        return np.random.default_rng().random(w.shape[1])
    raise ValueError("method must be 'weight_magnitude', 'weight_variance' or 'random'")


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not 0 < keep_ratio <= 1:
        raise ValueError("keep_ratio must be in (0, 1]")
    importance = compute_neuron_importance(layer, importance_method)
    n = len(importance)
    k = max(1, int(keep_ratio * n))
    keep = np.sort(np.argpartition(importance, n - k)[n - k :])
    pruned = Dense(layer.weights.data.shape[0], k, use_bias=layer.bias is not None)
    pruned.weights.data[...] = layer.weights.data[:, keep]
    if layer.bias is not None:
        pruned.bias.data[...] = layer.bias.data[keep]
    rows = layer.weights.data.shape[0] + (layer.bias is not None)
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": k,
        "neurons_removed": n - k,
        "compression_ratio": n / k,
        "original_params": rows * n,
        "new_params": rows * k,
        "param_reduction": 1 - k / n,
        "keep_indices": keep,
    }


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not 0 < keep_ratio <= 1:
        raise ValueError("keep_ratio must be in (0, 1]")
    dense = [layer for layer in model.layers if isinstance(layer, Dense)]
    for layer in dense:
        compute_neuron_importance(layer, importance_method)
    layers, infos, rows = [], [], slice(None)
    for layer in model.layers:
        if not isinstance(layer, Dense):
            layers.append(layer)
            continue
        if layer is dense[-1]:
            bias, columns = layer.bias, slice(None)
        else:
            smaller, info = prune_layer_neurons(layer, keep_ratio, importance_method)
            infos.append(info)
            bias, columns = smaller.bias, info["keep_indices"]
        w = layer.weights.data[rows][:, columns]
        new = Dense(*w.shape, use_bias=bias is not None)
        new.weights.data[...] = w
        if bias is not None:
            new.bias.data[...] = bias.data
        layers.append(new)
        rows = columns
    pruned = Sequential(layers)
    count = CompressionMetrics().count_parameters
    old, new = (count(m)["total_parameters"] for m in (model, pruned))
    return pruned, {
        "original_params": old,
        "new_params": new,
        "param_reduction": 1 - new / old if old else 0.0,
        "compression_ratio": old / new if new else 1.0,
        "layers": infos,
    }


def stored_bytes(model, bits=None):
    total = 0
    for layer in model.layers:
        if not isinstance(layer, Dense):
            continue
        n = layer.weights.data.size
        nonzero = np.count_nonzero(layer.weights.data)
        mask = math.ceil(n / 8)
        forms = [4 * n, mask + 4 * nonzero]
        if bits is not None:
            forms += [math.ceil(n * bits / 8) + 8, mask + math.ceil(nonzero * bits / 8) + 8]
        total += min(forms) + (0 if layer.bias is None else 4 * layer.bias.data.size)
    return total


def compare_compression_techniques(model, inputs=None, labels=None):
    metrics = CompressionMetrics()
    baseline_bytes = metrics.calculate_model_size(model)["total_bytes"]
    check_finite([layer.weights.data for layer in model.layers if isinstance(layer, Dense)])

    def quantize(m):
        infos = [quantize_layer_weights(x)[1] for x in m.layers if isinstance(x, Dense)]
        return np.mean([info["memory_reduction"] for info in infos])

    def sparsity(m):
        weights = np.concatenate([x.weights.data.ravel() for x in m.layers if isinstance(x, Dense)])
        return float(np.mean(weights == 0))

    def result(technique, m, size, **more):
        entry = {
            "technique": technique,
            "parameters": metrics.count_parameters(m)["total_parameters"],
            "size_mb": size / 1024**2,
            "compression_ratio": baseline_bytes / size,
            "memory_reduction": 1 - size / baseline_bytes,
            **more,
        }
        if inputs is not None and labels is not None:
            outputs = m(Tensor(inputs)).data
            entry["accuracy"] = float(np.mean(outputs.argmax(axis=1) == labels))
        return entry

    magnitude, _ = prune_model_by_magnitude(copy.deepcopy(model), 0.5)
    quantized = copy.deepcopy(model)
    factor = quantize(quantized)
    structured, structured_info = prune_model_neurons(model, 0.75)
    combined, _ = prune_model_by_magnitude(copy.deepcopy(structured), 0.5)
    quantize(combined)
    return {
        "baseline": result("Baseline", model, baseline_bytes),
        "magnitude_pruning": result(
            "Magnitude pruning", magnitude, stored_bytes(magnitude), sparsity=sparsity(magnitude)
        ),
        "quantization": result(
            "8-bit quantization",
            quantized,
            stored_bytes(quantized, 8),
            avg_memory_reduction_factor=factor,
        ),
        "structured_pruning": result(
            "Structured pruning",
            structured,
            stored_bytes(structured),
            param_reduction=structured_info["param_reduction"],
        ),
        "combined": result(
            "Combined", combined, stored_bytes(combined, 8), sparsity=sparsity(combined)
        ),
    }
