"""Masked arrays, einsum, lexsort and structured arrays; matrices with the bias as a last row."""


class CompressionMetrics:
    """The table of a model's parameters is a structured array."""

    def table(self, model):
        rows = [
            (i, x.weights.data.size, -1 if x.bias is None else x.bias.data.size)
            for i, x in enumerate(model.layers)
            if isinstance(x, Dense)
        ]
        return np.array(rows, dtype=[("index", int), ("weights", int), ("bias", int)])

    def count_parameters(self, model):
        table = self.table(model)
        bias = np.ma.masked_less(table["bias"], 0)
        counts = {f"layer_{i}_weights": n for i, n in zip(table["index"], table["weights"])}
        counts |= {
            f"layer_{i}_bias": n for i, n in zip(table["index"], bias) if n is not np.ma.masked
        }
        counts["total_weights"] = int(table["weights"].sum())
        counts["total_bias"] = int(bias.filled(0).sum())
        counts["total_parameters"] = counts["total_weights"] + counts["total_bias"]
        return counts

    def calculate_model_size(self, model, dtype="float32"):
        kinds = ["int4", "int8", "float16", "float32"]
        if dtype not in kinds:
            raise ValueError(f"dtype must be in {kinds}")
        width = 0.5 * 2 ** kinds.index(dtype)
        n = self.count_parameters(model)["total_parameters"]
        size = n // 2 + n % 2 if dtype == "int4" else int(n * width)
        return {
            "total_parameters": n,
            "bytes_per_parameter": width,
            "total_bytes": size,
            "size_kb": size / 1024.0,
            "size_mb": size / 1024.0**2,
            "dtype": dtype,
        }


def weights(layer):
    w = layer.weights.data
    if np.ma.masked_invalid(w).mask.any():
        raise ValueError("the weights contain values that are not finite")
    return w


def dense_of(model):
    return [layer for layer in model.layers if isinstance(layer, Dense)]


def calculate_sparsity(layer):
    if not isinstance(layer, Dense):
        return 0.0
    return 1 - np.ma.masked_equal(layer.weights.data, 0).count() / layer.weights.data.size


def mask_smallest(flat, k):
    """A masked array in which the k smallest magnitudes are masked."""
    order = np.lexsort((np.arange(flat.size), np.abs(flat)))
    rank = np.empty(flat.size, dtype=int)
    rank[order] = np.arange(flat.size)
    return np.ma.array(flat, mask=rank < k)


def prune_arrays(arrays, ratio):
    flat = np.concatenate([a.ravel() for a in arrays])
    masked = mask_smallest(flat, round(ratio * flat.size))
    lost = flat[masked.mask]
    low, high = np.abs(lost).max(initial=0.0), np.abs(masked).min() if masked.count() else math.inf
    threshold = (low + high) / 2  # anywhere between the removed and the survivors
    new = masked.filled(0)
    start = 0
    pieces = []
    for a in arrays:
        pieces.append(new[start : start + a.size].reshape(a.shape))
        start += a.size
    return pieces, threshold, np.count_nonzero(lost)


def summarise(ratio, arrays, threshold, removed):
    total = sum(a.size for a in arrays)
    left = sum(np.count_nonzero(a) for a in arrays)
    return {
        "pruning_ratio": ratio,
        "threshold": float(threshold),
        "total_weights": total,
        "weights_removed": int(removed),
        "remaining_weights": left,
        "sparsity": 1.0 - left / total if total else 0.0,
        "compression_ratio": np.inf if left == 0 else total / left,
    }


def check_interval(value, name, open_below=False):
    if not (0 < value <= 1 or (value == 0 and not open_below)):
        raise ValueError(f"{name} must be in {'(' if open_below else '['}0, 1]")


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    check_interval(pruning_ratio, "pruning_ratio")
    pieces, threshold, removed = prune_arrays([weights(layer)], pruning_ratio)
    layer.weights.data = pieces[0]
    return layer, summarise(pruning_ratio, pieces, threshold, removed)


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    check_interval(pruning_ratio, "pruning_ratio")
    if scope != "global" and scope != "layer":
        raise ValueError("scope must be global or layer")
    arrays = [weights(layer) for layer in dense_of(model)]
    if not arrays:
        parts = []
    elif scope == "global":
        parts = [prune_arrays(arrays, pruning_ratio)]
    else:
        parts = [prune_arrays([a], pruning_ratio) for a in arrays]
    pieces = [piece for part in parts for piece in part[0]]
    for layer, piece in zip(dense_of(model), pieces):
        layer.weights.data = piece
    threshold = max((part[1] for part in parts), default=0)
    removed = sum(part[2] for part in parts)
    info = summarise(pruning_ratio, pieces, threshold, removed)
    info["scope"] = scope
    indices = [i for i, layer in enumerate(model.layers) if isinstance(layer, Dense)]
    info["layers"] = [
        {"index": i, **summarise(pruning_ratio, [piece], 0, 0)} for i, piece in zip(indices, pieces)
    ]
    return model, info


def check_bits(bits, lowest):
    if isinstance(bits, bool) or not isinstance(bits, (int, np.int32, np.int64)):
        raise ValueError(f"bits must be an integer, not a {type(bits).__name__}")
    if bits < lowest or bits > 16:
        raise ValueError(f"bits must be in {lowest}..16")


def finish(layer, bits, q, scale, zero_point):
    """Write the restored weights and report."""
    w = weights(layer).astype(np.float64)
    layer.weights.data = np.einsum(
        "ij,j->ij", q.astype(np.float64) - zero_point, np.broadcast_to(scale, w.shape[1])
    )
    error = np.ma.array(layer.weights.data - w)
    return layer, {
        "bits": bits,
        "scale": scale,
        "zero_point": zero_point,
        "min_val": w.min(),
        "max_val": w.max(),
        "quantized_weights": q,
        "total_weights": w.size,
        "original_bytes": w.size * np.dtype(np.float32).itemsize,
        "quantized_bytes": len(np.packbits(np.zeros(w.size * int(bits), dtype=bool))),
        "memory_reduction": 32 / bits,
        "mse_error": np.einsum("ij,ij->", error, error) / w.size,
        "max_error": np.ptp([0, np.abs(error).max()]),
        "original_dtype": np.result_type(layer.weights.data).name,
    }


def quantize_layer_weights(layer, bits=8):
    check_bits(bits, 1)
    w = weights(layer).astype(np.float64)
    span = np.ptp(np.append(w, 0.0))
    top = 2 ** int(bits) - 1
    scale = span / top if span else 1.0
    zero_point = int(round(max(0.0, -w.min()) / scale))
    q = np.ma.clip(np.around(w / scale) + zero_point, 0, top)
    return finish(layer, bits, q.astype(np.uint8 if bits <= 8 else np.uint16), scale, zero_point)


def quantize_layer_weights_per_channel(layer, bits=8):
    check_bits(bits, 2)
    w = weights(layer).astype(np.float64)
    top = 2 ** (int(bits) - 1) - 1
    peaks = np.ma.masked_equal(np.abs(w).max(axis=0), 0)
    scale = np.ma.filled(peaks / top, 1.0)
    q = np.clip(np.around(w / scale), -top, top)
    return finish(layer, bits, q.astype(np.int8 if bits <= 8 else np.int16), scale, 0)


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        if not np.isfinite(temperature) or not temperature > 0:
            raise ValueError("temperature must be a positive, finite number")
        check_interval(alpha, "alpha")
        self.temperature = temperature
        self.alpha = alpha

    def _softmax(self, logits):
        z = np.asarray(logits, dtype=np.float64)
        e = np.exp(z - z.max(axis=1)[:, None])
        return np.einsum("bc,b->bc", e, 1 / e.sum(axis=1))

    def _log_p(self, z):
        z = z - z.max(axis=1)[:, None]
        return z - np.log(np.einsum("bc->b", np.exp(z)))[:, None]

    def _cross_entropy_loss(self, logits, labels):
        z = np.asarray(logits, dtype=np.float64)
        return -np.einsum("bc,bc->", self._rows(labels, z.shape), self._log_p(z)) / len(z)

    def _rows(self, labels, shape):
        labels = np.asarray(labels)
        if labels.dtype.kind not in "iuf":
            raise ValueError("labels must be numeric")
        if labels.ndim == 1 and labels.shape[0] == shape[0]:
            labels = (np.arange(shape[1])[None, :] == labels[:, None]).astype(np.float64)
        elif labels.shape != shape or np.any((labels != 0) & (labels != 1)):
            raise ValueError("labels must be class indices (batch,) or one-hot (batch, classes)")
        if np.any(np.einsum("bc->b", labels) != 1):
            raise ValueError("each label must name exactly one of the classes")
        return labels

    def _arrays(self, student_logits, teacher_logits, true_labels):
        s = np.asarray(student_logits, dtype=np.float64)
        t = np.asarray(teacher_logits, dtype=np.float64)
        if s.shape != t.shape or s.ndim != 2 or len(s) == 0:
            raise ValueError("logits must be two matrices of one shape, with at least one row")
        return s, t, self._rows(true_labels, s.shape)

    def __call__(self, student_logits, teacher_logits, true_labels):
        s, t, y = self._arrays(student_logits, teacher_logits, true_labels)
        log_p, log_q = self._log_p(t / self.temperature), self._log_p(s / self.temperature)
        hard = -np.einsum("bc,bc->", y, self._log_p(s)) / len(s)
        soft = np.einsum("bc,bc->", np.exp(log_p), log_p - log_q) / len(s)
        return self.alpha * hard + (1 - self.alpha) * self.temperature**2 * soft

    def gradient(self, student_logits, teacher_logits, true_labels):
        s, t, y = self._arrays(student_logits, teacher_logits, true_labels)
        T = self.temperature
        parts = np.stack([self._softmax(s) - y, self._softmax(s / T) - self._softmax(t / T)])
        return np.einsum("p,pbc->bc", [self.alpha, (1 - self.alpha) * T], parts) / len(s)


def compute_neuron_importance(layer, method="weight_magnitude"):
    w = weights(layer).astype(np.float64)
    if method == "weight_magnitude":
        return np.einsum("ij->j", np.abs(w))
    if method == "weight_variance":
        centred = w - np.einsum("ij->j", w) / len(w)
        return np.einsum("ij,ij->j", centred, centred) / len(w)
    if method == "random":
        return np.random.default_rng().standard_normal(w.shape[1])
    raise ValueError("method must be weight_magnitude, weight_variance or random")


def with_bias_row(layer):
    """Weights with the bias below, so that both are cut together."""
    return weights(layer) if layer.bias is None else np.vstack([weights(layer), layer.bias.data])


def from_matrix(matrix, use_bias):
    layer = Dense(len(matrix) - use_bias, matrix.shape[1], use_bias)
    layer.weights.data = matrix[: layer.input_size]
    if use_bias:
        layer.bias.data = matrix[-1]
    return layer


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    check_interval(keep_ratio, "keep_ratio", open_below=True)
    importance = compute_neuron_importance(layer, importance_method)
    n = len(importance)
    k = max(1, int(keep_ratio * n))
    keep = np.sort(np.lexsort((np.arange(n), -importance))[:k])
    matrix = with_bias_row(layer)
    pruned = from_matrix(matrix[:, keep], layer.bias is not None)
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": k,
        "neurons_removed": n - k,
        "compression_ratio": n / k,
        "original_params": matrix.size,
        "new_params": len(matrix) * k,
        "param_reduction": 1 - k / n,
        "keep_indices": keep,
    }


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    check_interval(keep_ratio, "keep_ratio", open_below=True)
    dense = dense_of(model)
    for layer in dense:
        compute_neuron_importance(layer, importance_method)
    infos, new_layers, kept, position = [], [], None, 0
    for layer in model.layers:
        if not isinstance(layer, Dense):
            new_layers.append(layer)
            continue
        matrix, use_bias = with_bias_row(layer), layer.bias is not None
        if kept is not None:
            matrix = matrix[np.append(kept, [-1] * use_bias).astype(int)]
        kept = None
        position += 1
        if position < len(dense):
            infos.append(prune_layer_neurons(layer, keep_ratio, importance_method)[1])
            kept = infos[-1]["keep_indices"]
            matrix = matrix[:, kept]
        new_layers.append(from_matrix(matrix, use_bias))
    pruned = Sequential(new_layers)
    old, new = (sum(with_bias_row(x).size for x in dense_of(m)) for m in (model, pruned))
    return pruned, {
        "original_params": old,
        "new_params": new,
        "param_reduction": 1 - new / old if old else 0.0,
        "compression_ratio": old / new if new else 1.0,
        "layers": infos,
    }


def stored_bytes(layer, quantized):
    w = weights(layer)
    nonzero = np.ma.masked_equal(w, 0).count()
    mask = len(np.packbits(w.ravel() == 0))
    forms = np.array([w.nbytes, mask + 4 * nonzero, w.size + 8, mask + nonzero + 8])
    best = forms[: 4 if quantized else 2].min()
    return int(best) + (0 if layer.bias is None else layer.bias.data.nbytes)


def compare_compression_techniques(model, inputs=None, labels=None):
    matrices = [with_bias_row(layer) for layer in dense_of(model)]
    original = sum(matrix.nbytes for matrix in matrices)
    pruned = prune_model_by_magnitude(copy.deepcopy(model), 0.5)[0]
    quantized = copy.deepcopy(model)
    factors = [quantize_layer_weights(x, 8)[1]["memory_reduction"] for x in dense_of(quantized)]
    structured, structured_info = prune_model_neurons(model, 0.75)
    combined = prune_model_by_magnitude(copy.deepcopy(structured), 0.5)[0]
    for layer in dense_of(combined):
        quantize_layer_weights(layer, 8)
    names = ["baseline", "magnitude_pruning", "quantization", "structured_pruning", "combined"]
    results = {}
    for name, m in zip(names, [model, pruned, quantized, structured, combined]):
        quantize = name in ("quantization", "combined")
        size = sum(stored_bytes(layer, quantize) for layer in dense_of(m))
        if name == "baseline":
            size = original
        results[name] = {
            "technique": f"Technique: {name}",
            "parameters": sum(with_bias_row(layer).size for layer in dense_of(m)),
            "size_mb": size / 1024**2,
            "compression_ratio": original / size,
            "memory_reduction": 1 - size / original,
        }
        if not (inputs is None or labels is None):
            right = np.ma.masked_not_equal(m(inputs).data.argmax(axis=1) - labels, 0)
            results[name]["accuracy"] = right.count() / len(labels)
        if name in ("magnitude_pruning", "combined"):
            flat = np.concatenate([weights(layer).ravel() for layer in dense_of(m)])
            results[name]["sparsity"] = 1 - np.ma.masked_equal(flat, 0).count() / flat.size
    results["quantization"]["avg_memory_reduction_factor"] = np.mean(factors)
    results["structured_pruning"]["param_reduction"] = structured_info["param_reduction"]
    return results
