"""float32 throughout; the distillation gradient comes from a tinytorch graph by backward."""


class CompressionMetrics:
    """Counts from `parameters()` of each layer."""

    def count_parameters(self, model):
        counts = {}
        for i, layer in enumerate(model.layers):
            for tensor in layer.parameters():
                kind = "weights" if tensor.ndim == 2 else "bias"
                counts[f"layer_{i}_{kind}"] = int(tensor.size)
        for kind in "weights", "bias":
            counts[f"total_{kind}"] = sum(n for key, n in counts.items() if key.endswith(kind))
        counts["total_parameters"] = counts["total_weights"] + counts["total_bias"]
        return counts

    def calculate_model_size(self, model, dtype="float32"):
        sizes = {"float32": 4.0, "float16": 2.0, "int8": 1.0, "int4": 0.5}
        width = sizes.get(dtype)
        if width is None:
            raise ValueError("dtype must be float32, float16, int8 or int4")
        n = sum(tensor.size for tensor in model.parameters())
        total_bytes = int(-(-n * width // 1))
        return {
            "total_parameters": n,
            "bytes_per_parameter": width,
            "total_bytes": total_bytes,
            "size_kb": total_bytes / 2**10,
            "size_mb": total_bytes / 2**20,
            "dtype": dtype,
        }


def finite_weights(layer):
    w = layer.weights.data
    if not np.isfinite(w).all():
        raise ValueError("this layer has weights that are not finite")
    return w


def is_dense(layer):
    return isinstance(layer, Dense)


def calculate_sparsity(layer):
    if not is_dense(layer):
        return 0.0
    return np.float32(np.count_nonzero(layer.weights.data == 0)) / np.float32(layer.weights.size)


def smallest(weights, k):
    """Indices of the k smallest magnitudes, sorted as integers: |w| as uint32 keeps the order."""
    bits = np.ascontiguousarray(weights, dtype=np.float32).view(np.uint32) & np.uint32(0x7FFFFFFF)
    return np.argsort(bits)[:k]


def prune(model, pruning_ratio, scope):
    if math.isnan(pruning_ratio) or not 0.0 <= pruning_ratio <= 1.0:
        raise ValueError("pruning_ratio must be in [0, 1]")
    if scope not in ("global", "layer"):
        raise ValueError("scope must be 'global' or 'layer'")
    weights = [finite_weights(layer).ravel() for layer in model.layers if is_dense(layer)]
    if scope == "global":
        weights = [np.concatenate(weights)] if weights else []
    before = sum(int(np.count_nonzero(w)) for w in weights)
    thresholds = [np.float32(0)]
    pruned = []
    for w in weights:
        cut = smallest(w, round(pruning_ratio * w.size))
        w = w.copy()
        thresholds.extend(np.abs(w[cut]))
        w[cut] = 0
        pruned.append(w)
    flat = np.concatenate(pruned) if pruned else np.zeros(0, dtype=np.float32)
    info = {"pruning_ratio": pruning_ratio, "threshold": max(thresholds), "scope": scope}
    info["total_weights"] = total = flat.size
    info["remaining_weights"] = remaining = int(np.count_nonzero(flat))
    info["weights_removed"] = before - remaining
    info["sparsity"] = (total - remaining) / max(1, total)
    info["compression_ratio"] = math.inf if remaining == 0 else total / remaining
    info["layers"] = []
    for index, layer in enumerate(model.layers):
        if is_dense(layer):
            mine, flat = flat[: layer.weights.size], flat[layer.weights.size :]
            layer.weights.data[...] = mine.reshape(layer.weights.shape)
            remaining = int(np.count_nonzero(mine))
            info["layers"].append(
                {
                    "index": index,
                    "sparsity": 1 - remaining / mine.size,
                    "remaining_weights": remaining,
                    "total_weights": mine.size,
                }
            )
    return model, info


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    _, info = prune(Sequential([layer]), pruning_ratio, "global")
    return layer, info


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    return prune(model, pruning_ratio, scope)


def check_bits(bits, lowest):
    if isinstance(bits, (bool, np.bool_)) or not isinstance(bits, (int, np.integer)):
        raise ValueError("bits must be an integer")
    if bits < lowest or bits > 16:
        raise ValueError(f"bits must be at least {lowest} and at most 16")


def quantize_layer_weights(layer, bits=8):
    check_bits(bits, 1)
    w = finite_weights(layer).copy()
    top = np.float32(2.0**bits - 1)
    w_min, w_max = min(np.float32(0), w.min()), max(np.float32(0), w.max())
    scale = (w_max - w_min) / top if w_max > w_min else np.float32(1)
    zero_point = int(np.rint(-w_min / scale))
    steps = np.clip(np.rint(w / scale), -zero_point, int(top) - zero_point)
    layer.weights.data[:] = steps * scale
    q = (steps + zero_point).astype(np.uint8 if bits < 9 else np.uint16)
    return layer, quantization_info(bits, w, layer.weights.data, q, scale, zero_point)


def quantize_layer_weights_per_channel(layer, bits=8):
    check_bits(bits, 2)
    w = finite_weights(layer).copy()
    top = np.float32(2.0 ** (bits - 1) - 1)
    largest = np.abs(w).max(axis=0)
    scale = np.where(largest == 0, np.float32(1), largest / top)
    steps = np.clip(np.rint(w / scale), -top, top)
    layer.weights.data[:] = steps * scale
    q = steps.astype(np.int8 if bits < 9 else np.int16)
    return layer, quantization_info(bits, w, layer.weights.data, q, scale, 0)


def quantization_info(bits, w, back, q, scale, zero_point):
    difference = w - back
    return {
        "bits": bits,
        "scale": scale,
        "zero_point": zero_point,
        "min_val": w.min(),
        "max_val": w.max(),
        "quantized_weights": q,
        "total_weights": w.size,
        "original_bytes": w.nbytes,
        "quantized_bytes": math.ceil(w.size * bits / 8),
        "memory_reduction": 32 / bits,
        "mse_error": np.square(difference).mean(),
        "max_error": np.abs(difference).max(),
        "original_dtype": w.dtype.name,
    }


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        if not (math.isfinite(temperature) and temperature > 0):
            raise ValueError("temperature must be positive and finite")
        if not 0.0 <= alpha <= 1.0:
            raise ValueError("alpha must be in [0, 1]")
        self.temperature, self.alpha = float(temperature), float(alpha)

    def _softmax(self, logits):
        return Softmax()(logits).data

    def _cross_entropy_loss(self, logits, labels):
        logits = Tensor(logits)
        return self._hard(logits, self._one_hot(labels, logits.shape)).item()

    def _log_softmax(self, z):
        z = z - z.data.max(axis=1, keepdims=True)
        return z - z.exp().sum(axis=1, keepdims=True).log()

    def _hard(self, student, rows):
        return -(self._log_softmax(student) * rows).sum() / len(rows)

    def _one_hot(self, labels, shape):
        labels = np.asarray(labels)
        if labels.dtype.kind not in "iuf":
            raise ValueError("labels must be numbers")
        if labels.ndim == 1:
            labels = labels.reshape(-1, 1) == np.arange(shape[1])
        valid = labels.shape == shape and ((labels == 0) | (labels == 1)).all()
        if not valid or (labels.sum(axis=1) != 1).any():
            raise ValueError("labels must be class indices or one-hot rows that fit the logits")
        return labels.astype(np.float32)

    def _graph(self, student_logits, teacher_logits, true_labels):
        student, teacher = Tensor(student_logits, requires_grad=True), Tensor(teacher_logits)
        if student.shape != teacher.shape or student.ndim != 2 or student.size == 0:
            raise ValueError("both logits must have the same shape (batch, classes), batch > 0")
        hard = self._hard(student, self._one_hot(true_labels, student.shape))
        log_p = self._log_softmax(teacher / self.temperature)
        log_q = self._log_softmax(student / self.temperature)
        soft = (log_p.exp() * (log_p - log_q)).sum() / len(student)
        return student, hard * self.alpha + soft * ((1 - self.alpha) * self.temperature**2)

    def __call__(self, student_logits, teacher_logits, true_labels):
        return self._graph(student_logits, teacher_logits, true_labels)[1].item()

    def gradient(self, student_logits, teacher_logits, true_labels):
        student, loss = self._graph(student_logits, teacher_logits, true_labels)
        loss.backward()
        return student.grad


def compute_neuron_importance(layer, method="weight_magnitude"):
    if method not in ("weight_magnitude", "weight_variance", "random"):
        raise ValueError("method must be weight_magnitude, weight_variance or random")
    w = finite_weights(layer)
    if method == "weight_magnitude":
        return np.abs(w).sum(axis=0)
    if method == "weight_variance":
        return w.std(axis=0) ** 2
    return np.random.uniform(size=w.shape[1]).astype(np.float32)


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    if math.isnan(keep_ratio) or keep_ratio <= 0 or keep_ratio > 1:
        raise ValueError("keep_ratio must be in (0, 1]")
    importance = compute_neuron_importance(layer, importance_method)
    n = importance.size
    k = int(keep_ratio * n) or 1
    mask = np.zeros(n, dtype=bool)
    mask[np.argsort(importance)[n - k :]] = True
    pruned = select(layer, np.ones(layer.input_size, dtype=bool), mask)
    old = sum(tensor.size for tensor in layer.parameters())
    new = sum(tensor.size for tensor in pruned.parameters())
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": k,
        "neurons_removed": n - k,
        "compression_ratio": n / k,
        "original_params": old,
        "new_params": new,
        "param_reduction": 1 - new / old,
        "keep_indices": np.flatnonzero(mask).astype(np.int32),
    }


def select(layer, row_mask, column_mask):
    w = np.compress(column_mask, np.compress(row_mask, layer.weights.data, axis=0), axis=1)
    new = Dense(*w.shape, use_bias=layer.bias is not None)
    new.weights = w
    if layer.bias is not None:
        new.bias = layer.bias.data[column_mask]
    return new


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    if math.isnan(keep_ratio) or keep_ratio <= 0 or keep_ratio > 1:
        raise ValueError("keep_ratio must be in (0, 1]")
    if importance_method not in ("weight_magnitude", "weight_variance", "random"):
        raise ValueError("this importance_method is unknown")
    dense = [layer for layer in model.layers if is_dense(layer)]
    for layer in dense:
        finite_weights(layer)
    masks, infos = [], []
    for layer in dense:
        mask = np.ones(layer.output_size, dtype=bool)
        if layer is not dense[-1]:
            _, info = prune_layer_neurons(layer, keep_ratio, importance_method)
            mask[:] = False
            mask[info["keep_indices"]] = True
            infos.append(info)
        masks.append(mask)
    layers, rows = [], None
    for layer in model.layers:
        if is_dense(layer):
            mask = masks.pop(0)
            every = np.ones(layer.input_size, dtype=bool)
            layer, rows = select(layer, every if rows is None else rows, mask), mask
        layers.append(layer)
    old = sum(tensor.size for tensor in model.parameters())
    new = sum(tensor.size for layer in layers for tensor in layer.parameters())
    return Sequential(layers), {
        "original_params": old,
        "new_params": new,
        "param_reduction": 1 - new / max(1, old),
        "compression_ratio": old / max(1, new),
        "layers": infos,
    }


def bytes_of(model, quantized):
    total = 0
    for layer in filter(is_dense, model.layers):
        n, nonzero = layer.weights.size, int(np.count_nonzero(layer.weights.data))
        mask = (n + 7) // 8
        total += min(
            4 * n,
            mask + 4 * nonzero,
            n + 8 if quantized else 4 * n,
            mask + nonzero + 8 if quantized else 4 * n,
        )
        if layer.bias is not None:
            total += layer.bias.data.nbytes
    return total


def compare_compression_techniques(model, inputs=None, labels=None):
    for layer in filter(is_dense, model.layers):
        finite_weights(layer)
    stages = {"baseline": (model, False, 4 * sum(t.size for t in model.parameters()))}
    pruned, pruned_info = prune_model_by_magnitude(copy.deepcopy(model))
    stages["magnitude_pruning"] = pruned, False, bytes_of(pruned, False)
    quantized = copy.deepcopy(model)
    factors = [
        quantize_layer_weights(layer)[1]["memory_reduction"]
        for layer in filter(is_dense, quantized.layers)
    ]
    stages["quantization"] = quantized, True, bytes_of(quantized, True)
    structured, structured_info = prune_model_neurons(model, keep_ratio=0.75)
    stages["structured_pruning"] = structured, False, bytes_of(structured, False)
    combined, _ = prune_model_by_magnitude(copy.deepcopy(structured))
    for layer in filter(is_dense, combined.layers):
        quantize_layer_weights(layer)
    stages["combined"] = combined, True, bytes_of(combined, True)
    results = {}
    for key, (m, _, size) in stages.items():
        results[key] = {
            "technique": key,
            "parameters": sum(tensor.size for tensor in m.parameters()),
            "size_mb": np.float32(size / 2**20),
            "compression_ratio": np.float32(stages["baseline"][2] / size),
            "memory_reduction": 1 - np.float32(size / stages["baseline"][2]),
        }
        if inputs is not None and labels is not None:
            right = m(Tensor(inputs)).data.argmax(axis=1) == np.ravel(labels)
            results[key]["accuracy"] = np.count_nonzero(right) / right.size
    zeros = sum(int(np.sum(x.weights.data == 0)) for x in combined.layers if is_dense(x))
    weights = sum(x.weights.size for x in combined.layers if is_dense(x))
    results["magnitude_pruning"]["sparsity"] = pruned_info["sparsity"]
    results["combined"]["sparsity"] = zeros / weights
    results["quantization"]["avg_memory_reduction_factor"] = sum(factors) / len(factors)
    results["structured_pruning"]["param_reduction"] = structured_info["param_reduction"]
    return results
