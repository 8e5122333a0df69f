"""Find a threshold by partition or sort, apply a mask, then repair the ties at the threshold."""


class CompressionMetrics:
    dtypes = "float32 float16 int8 int4".split()

    def count_parameters(self, model):
        counts = {"total_weights": 0, "total_bias": 0, "total_parameters": 0}
        for i, layer in enumerate(model.layers):
            if isinstance(layer, Dense):
                n, m = layer.input_size, layer.output_size
                counts[f"layer_{i}_weights"] = n * m
                counts["total_weights"] += n * m
                if layer.bias is not None:
                    counts[f"layer_{i}_bias"] = m
                    counts["total_bias"] += m
        counts["total_parameters"] = counts["total_weights"] + counts["total_bias"]
        return counts

    def calculate_model_size(self, model, dtype="float32"):
        if dtype not in self.dtypes:
            raise ValueError(f"dtype must be one of {self.dtypes}")
        halvings = self.dtypes.index(dtype)
        n = self.count_parameters(model)["total_parameters"]
        total = (8 * n + 2**halvings * 2 - 1) // (2**halvings * 2)
        return {
            "dtype": dtype,
            "total_parameters": n,
            "bytes_per_parameter": 4 / 2**halvings,
            "total_bytes": total,
            "size_kb": total / 1024,
            "size_mb": total / 1024 / 1024,
        }


def check(ok, message):
    if not ok:
        raise ValueError(message)


def check_weights(*layers):
    for layer in layers:
        check(np.isfinite(layer.weights.data.sum(dtype=np.float64)), "weights must be finite")


def calculate_sparsity(layer):
    if not hasattr(layer, "weights"):
        return 0.0
    total = layer.weights.data.size
    return (total - np.count_nonzero(layer.weights.data)) / total


def masks_of_survivors(arrays, k):
    """Masks that drop exactly the k smallest magnitudes of several arrays, and a threshold."""
    if k == 0:
        return [np.ones(a.shape, dtype=bool) for a in arrays], 0.0
    magnitudes = [np.abs(a) for a in arrays]
    flat = np.concatenate([m.ravel() for m in magnitudes])
    threshold = np.partition(flat, k - 1)[k - 1]
    masks = [m > threshold for m in magnitudes]
    to_restore = sum(int(np.count_nonzero(~mask)) for mask in masks) - k
    for mask, m in zip(masks, magnitudes):
        ties = np.flatnonzero(m.ravel() == threshold)[:to_restore]
        mask[np.unravel_index(ties, mask.shape)] = True
        to_restore -= len(ties)
    return masks, threshold.item()


def apply_masks(layers, k):
    masks, threshold = masks_of_survivors([layer.weights.data for layer in layers], k)
    removed = 0
    for layer, mask in zip(layers, masks):
        removed += np.count_nonzero(layer.weights.data[~mask])
        layer.weights.data *= mask
    return removed, threshold


def pruning_info(layers, ratio, removed, threshold):
    total = sum(layer.weights.data.size for layer in layers)
    zeros = sum(np.count_nonzero(layer.weights.data == 0) for layer in layers)
    info = {"pruning_ratio": ratio, "threshold": threshold, "total_weights": total}
    info.update(weights_removed=removed, remaining_weights=total - zeros)
    info["sparsity"] = zeros / total if total > 0 else 0.0
    info["compression_ratio"] = float("inf") if zeros == total else total / (total - zeros)
    return info


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    check(pruning_ratio >= 0 and pruning_ratio <= 1, "pruning_ratio must be in [0, 1]")
    check_weights(layer)
    removed, threshold = apply_masks([layer], round(pruning_ratio * layer.weights.data.size))
    return layer, pruning_info([layer], pruning_ratio, removed, threshold)


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    check(pruning_ratio >= 0 and pruning_ratio <= 1, "pruning_ratio must be in [0, 1]")
    check(scope in ["global", "layer"], "scope must be 'global' or 'layer'")
    layers = [layer for layer in model.layers if hasattr(layer, "weights")]
    check_weights(*layers)
    groups = [layers] if scope == "global" else [[layer] for layer in layers]
    removed, threshold = 0, 0.0
    for group in groups:
        n = sum(layer.weights.data.size for layer in group)
        r, t = apply_masks(group, round(pruning_ratio * n))
        removed, threshold = removed + r, max(threshold, t)
    info = pruning_info(layers, pruning_ratio, removed, threshold)
    info["scope"] = scope
    info["layers"] = []
    for layer in layers:
        part = pruning_info([layer], pruning_ratio, 0, threshold)
        part["index"] = model.layers.index(layer)
        info["layers"].append(part)
    return model, info


def bits_or_error(bits, lowest):
    message = f"bits must be an integer from {lowest} to 16"
    check(type(bits).__name__ in ("int", "int32", "int64"), message)
    check(lowest <= bits <= 16, message)


def nearest(grid, w):
    """The index of the nearest grid value for each weight, by bisection between midpoints."""
    return np.searchsorted((grid[1:] + grid[:-1]) / 2, w)


def quantization_info(bits, w, q, scale, zero_point, layer):
    difference = layer.weights.data.astype(np.float64) - w
    return {
        "bits": int(bits),
        "scale": scale,
        "zero_point": zero_point,
        "min_val": w.min().item(),
        "max_val": w.max().item(),
        "quantized_weights": q,
        "total_weights": w.size,
        "original_bytes": w.size * 4,
        "quantized_bytes": (w.size * int(bits) + 7) // 8,
        "memory_reduction": 32.0 / bits,
        "mse_error": np.dot(difference.ravel(), difference.ravel()) / w.size,
        "max_error": max(difference.max(), -difference.min()),
        "original_dtype": "float32",
    }


def quantize_layer_weights(layer, bits=8):
    bits_or_error(bits, 1)
    check_weights(layer)
    w = layer.weights.data.copy()
    lowest, highest = float(min(w.min(), 0)), float(max(w.max(), 0))
    levels = 2 ** int(bits)
    if lowest == highest:
        scale = 1.0
    else:
        scale = (highest - lowest) / (levels - 1)
    zero_point = int(round(-lowest / scale))
    grid = (np.arange(levels) - zero_point) * scale
    q = nearest(grid, w)
    layer.weights.data[...] = grid[q]
    q = q.astype("uint8" if bits <= 8 else "uint16")
    return layer, quantization_info(bits, w, q, scale, zero_point, layer)


def quantize_layer_weights_per_channel(layer, bits=8):
    bits_or_error(bits, 2)
    check_weights(layer)
    w = layer.weights.data.copy()
    top = 2 ** (int(bits) - 1) - 1
    integers = np.arange(-top, top + 1)
    scales = np.ones(w.shape[1])
    q = np.empty(w.shape, dtype="int8" if bits <= 8 else "int16")
    for j, column in enumerate(w.T):
        if column.any():
            scales[j] = float(np.abs(column).max()) / top
        q[:, j] = integers[nearest(integers * scales[j], column)]
        layer.weights.data[:, j] = q[:, j] * scales[j]
    return layer, quantization_info(bits, w, q, scales, 0, layer)


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        check(temperature > 0 and temperature != float("inf"), "temperature must be > 0, finite")
        check(alpha >= 0 and alpha <= 1, "alpha must be in [0, 1]")
        self.T = temperature
        self.alpha = alpha

    def _softmax(self, logits):
        return np.exp(self._log_softmax(np.asarray(logits, dtype=np.float64)))

    def _cross_entropy_loss(self, logits, labels):
        logits = np.asarray(logits, dtype=np.float64)
        targets = self._targets(labels, logits)
        return np.average(-(targets * self._log_softmax(logits)).sum(axis=1))

    @staticmethod
    def _log_softmax(z):
        z = z - np.amax(z, axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    @staticmethod
    def _targets(labels, logits):
        labels = np.asarray(labels)
        check(np.issubdtype(labels.dtype, np.number), "labels must be numbers")
        if labels.ndim == 2:
            check(labels.shape == logits.shape, "one-hot labels must have the shape of the logits")
            check(np.all(labels * (labels - 1) == 0), "one-hot labels must be 0 or 1")
            check(np.all(labels.sum(axis=1) == 1), "one-hot labels must have one 1 per row")
            return labels
        check(labels.shape == logits.shape[:1], "labels must be one per row of the logits")
        check(np.all(np.isfinite(labels)), "labels must be finite")
        check(np.all(labels % 1 == 0), "labels must be whole numbers")
        check(labels.min() >= 0, "labels must not be negative")
        check(labels.max() < logits.shape[1], "labels must be below the number of classes")
        targets = np.zeros(logits.shape)
        np.put_along_axis(targets, labels.astype(int)[:, None], 1.0, axis=1)
        return targets

    def _inputs(self, student_logits, teacher_logits, true_labels):
        s = np.asarray(student_logits, dtype=np.float64)
        t = np.asarray(teacher_logits, dtype=np.float64)
        check(s.shape == t.shape, f"student logits are {s.shape}, teacher logits {t.shape}")
        check(s.ndim == 2 and len(s) > 0, "logits must be (batch, classes) with batch > 0")
        return s, t, self._targets(true_labels, s)

    def __call__(self, student_logits, teacher_logits, true_labels):
        s, t, targets = self._inputs(student_logits, teacher_logits, true_labels)
        soft_targets = self._softmax(t / self.T)
        cross_entropy = -(soft_targets * self._log_softmax(s / self.T)).sum(axis=1)
        entropy = -(soft_targets * self._log_softmax(t / self.T)).sum(axis=1)
        hard = -(targets * self._log_softmax(s)).sum(axis=1)
        losses = self.alpha * hard + (1 - self.alpha) * self.T**2 * (cross_entropy - entropy)
        return float(np.average(losses))

    def gradient(self, student_logits, teacher_logits, true_labels):
        s, t, targets = self._inputs(student_logits, teacher_logits, true_labels)
        hard = self._softmax(s) - targets
        soft = (self._softmax(s / self.T) - self._softmax(t / self.T)) / self.T
        return (self.alpha * hard + (1 - self.alpha) * self.T**2 * soft) / s.shape[0]


METHODS = ("weight_magnitude", "weight_variance", "random")


def compute_neuron_importance(layer, method="weight_magnitude"):
    check(method in METHODS, f"method must be one of {METHODS}")
    check_weights(layer)
    w = layer.weights.data.astype(np.float64)
    if method == "weight_magnitude":
        return np.add.reduce(np.absolute(w))
    if method == "weight_variance":
        centred = w - w.mean(axis=0)
        return np.add.reduce(centred * centred) / len(w)
    return np.random.rand(w.shape[1])


def mask_of_best(importance, k):
    threshold = np.sort(importance)[len(importance) - k]
    mask = importance > threshold
    mask[np.flatnonzero(importance == threshold)[: k - np.count_nonzero(mask)]] = True
    return mask


def parameters(layer):
    if not hasattr(layer, "weights"):
        return 0
    return layer.weights.data.size + (0 if layer.bias is None else layer.bias.data.size)


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    check(keep_ratio > 0 and keep_ratio <= 1, "keep_ratio must be in (0, 1]")
    importance = compute_neuron_importance(layer, importance_method)
    n = importance.size
    mask = mask_of_best(importance, max(1, int(keep_ratio * n)))
    keep = np.flatnonzero(mask)
    pruned = Dense(layer.input_size, keep.size, use_bias=layer.bias is not None)
    pruned.weights.data[...] = layer.weights.data[:, mask]
    if layer.bias is not None:
        pruned.bias.data[...] = layer.bias.data[mask]
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": keep.size,
        "neurons_removed": n - keep.size,
        "compression_ratio": n / keep.size,
        "original_params": parameters(layer),
        "new_params": parameters(pruned),
        "param_reduction": 1 - parameters(pruned) / parameters(layer),
        "keep_indices": keep.tolist(),
    }


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    check(keep_ratio > 0 and keep_ratio <= 1, "keep_ratio must be in (0, 1]")
    check(importance_method in METHODS, f"importance_method must be one of {METHODS}")
    pruned = copy.deepcopy(model)
    where = [i for i, layer in enumerate(pruned.layers) if hasattr(layer, "weights")]
    check_weights(*(pruned.layers[i] for i in where))
    infos = []
    for i, following in zip(where, where[1:]):
        ranked, info = prune_layer_neurons(model.layers[i], keep_ratio, importance_method)
        infos.append(info)
        keep = info["keep_indices"]
        smaller = Dense(pruned.layers[i].input_size, len(keep), use_bias=ranked.bias is not None)
        smaller.weights.data[...] = pruned.layers[i].weights.data[:, keep]
        smaller.bias = ranked.bias
        pruned.layers[i] = smaller
        old = pruned.layers[following]
        cut = Dense(len(keep), old.output_size, use_bias=old.bias is not None)
        cut.weights.data[...] = old.weights.data[keep, :]
        cut.bias = old.bias
        pruned.layers[following] = cut
    before = sum(map(parameters, model.layers))
    after = sum(map(parameters, pruned.layers))
    return pruned, {
        "original_params": before,
        "new_params": after,
        "param_reduction": 1 - after / before if before else 0.0,
        "compression_ratio": before / after if after else 1.0,
        "layers": infos,
    }


def stored_bytes(layer, bits):
    """Bytes of one layer, in the smallest form; bits is 32 for weights that are not quantized."""
    if not hasattr(layer, "weights"):
        return 0
    n, nonzero = layer.weights.data.size, int(np.count_nonzero(layer.weights.data))
    forms = {4 * n, (n + 7) // 8 + 4 * nonzero}
    if bits < 32:
        forms |= {(n * bits + 7) // 8 + 8, (n + 7) // 8 + (nonzero * bits + 7) // 8 + 8}
    return min(forms) + parameters(layer) * 4 - 4 * n


def compare_compression_techniques(model, inputs=None, labels=None):
    check_weights(*(layer for layer in model.layers if hasattr(layer, "weights")))
    bits = dict.fromkeys(("magnitude_pruning", "structured_pruning"), 32)
    bits |= dict.fromkeys(("quantization", "combined"), 8)
    models = {"baseline": model}
    models["magnitude_pruning"] = prune_model_by_magnitude(copy.deepcopy(model), 0.5, "global")[0]
    models["quantization"] = copy.deepcopy(model)
    models["structured_pruning"], structured_info = prune_model_neurons(model, 0.75)
    models["combined"] = prune_model_neurons(model, 0.75)[0]
    prune_model_by_magnitude(models["combined"], 0.5, "global")
    reductions = {"quantization": [], "combined": []}
    for key, collected in reductions.items():
        for layer in models[key].layers:
            if hasattr(layer, "weights"):
                collected.append(quantize_layer_weights(layer, 8)[1]["memory_reduction"])
    original = sum(map(parameters, model.layers)) * 4
    results = {}
    for key, m in models.items():
        size = sum(stored_bytes(x, bits[key]) for x in m.layers) if key in bits else original
        results[key] = {
            "technique": key.replace("_", "-"),
            "parameters": sum(map(parameters, m.layers)),
            "size_mb": size / 1024 / 1024,
            "compression_ratio": original / size,
            "memory_reduction": (original - size) / original,
        }
        if inputs is not None and labels is not None:
            predictions = np.argmax(m(np.asarray(inputs)).numpy(), axis=-1)
            results[key]["accuracy"] = float((predictions == labels).sum() / len(predictions))
        if key in ("magnitude_pruning", "combined"):
            dense = [x for x in m.layers if hasattr(x, "weights")]
            results[key]["sparsity"] = pruning_info(dense, 0.5, 0, 0.0)["sparsity"]
    reductions = reductions["quantization"]
    results["quantization"]["avg_memory_reduction_factor"] = sum(reductions) / len(reductions)
    results["structured_pruning"]["param_reduction"] = structured_info["param_reduction"]
    return results
