"""float64 throughout, NumPy scalars in every report, stable argsort, extra keys."""

DENSE_KINDS = (Dense,)


def w64(layer):
    values = np.array(layer.weights.data, dtype=np.float64)
    if np.isnan(values).any() or np.isinf(values).any():
        raise ValueError("weights must neither be NaN nor infinite")
    return values


def dense_only(model):
    return {i: layer for i, layer in enumerate(model.layers) if isinstance(layer, DENSE_KINDS)}


def in_unit_interval(value, name):
    value = np.float64(value)
    if np.isnan(value) or value < 0 or value > 1:
        raise ValueError(f"{name} must not be below 0 or above 1")


class CompressionMetrics:
    def __init__(self):
        self.widths = np.array([4, 2, 1, 0.5])
        self.dtypes = ["float32", "float16", "int8", "int4"]

    def count_parameters(self, model):
        counts = dict()
        counts["number_of_layers"] = np.int64(len(model.layers))
        totals = np.zeros(2, dtype=np.int64)
        for i, layer in dense_only(model).items():
            counts["layer_%d_weights" % i] = np.prod(layer.weights.shape)
            totals[0] += counts["layer_%d_weights" % i]
            if layer.bias is not None:
                counts["layer_%d_bias" % i] = np.prod(layer.bias.shape)
                totals[1] += counts["layer_%d_bias" % i]
        counts["total_weights"], counts["total_bias"] = totals
        counts["total_parameters"] = totals.sum()
        return counts

    def calculate_model_size(self, model, dtype="float32"):
        if dtype not in self.dtypes:
            raise ValueError("unknown dtype, choose from " + " ".join(self.dtypes))
        width = self.widths[self.dtypes.index(dtype)]
        n = self.count_parameters(model)["total_parameters"]
        total = np.int64(np.ceil(np.float64(n) * width))
        return {
            "total_parameters": n,
            "bytes_per_parameter": width,
            "total_bytes": total,
            "size_kb": np.float64(total) / 1024,
            "size_mb": np.float64(total) / 1048576,
            "dtype": dtype,
            "bits_per_parameter": 8 * width,
        }


def calculate_sparsity(layer):
    if not isinstance(layer, DENSE_KINDS):
        return np.float64(0)
    return np.mean(layer.weights.data == 0, dtype=np.float64)


def rank_and_zero(flat, ratio):
    order = np.argsort(np.abs(flat), kind="stable")
    k = round(float(ratio) * len(flat))
    result = flat.copy()
    result[order[:k]] = 0
    threshold = np.abs(flat)[order[k - 1]] if k > 0 else np.float64(0)
    return result, threshold


def describe(ratio, threshold, before, after):
    total = np.int64(len(before))
    remaining = np.int64((after != 0).sum())
    return {
        "pruning_ratio": np.float64(ratio),
        "threshold": threshold,
        "total_weights": total,
        "weights_removed": np.int64((before != 0).sum()) - remaining,
        "remaining_weights": remaining,
        "sparsity": np.float64((after == 0).mean()) if total else np.float64(0),
        "compression_ratio": np.float64(total) / remaining if remaining else np.float64("inf"),
        "density": remaining / max(total, 1),
        "kept": after != 0,
    }


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    in_unit_interval(pruning_ratio, "pruning_ratio")
    before = w64(layer).reshape(-1)
    after, threshold = rank_and_zero(before, pruning_ratio)
    layer.weights.data = after.reshape(layer.weights.shape)
    return layer, describe(pruning_ratio, threshold, before, after)


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    in_unit_interval(pruning_ratio, "pruning_ratio")
    if scope not in {"global", "layer"}:
        raise ValueError("scope must be global or layer")
    layers = dense_only(model)
    old = {i: w64(layer).reshape(-1) for i, layer in layers.items()}
    before = np.concatenate([np.zeros(0)] + list(old.values()))
    if scope == "global":
        after, threshold = rank_and_zero(before, pruning_ratio)
        pieces = np.split(after, np.cumsum([len(flat) for flat in old.values()])[:-1])
        new = dict(zip(old, pieces))
    else:
        new, threshold = {}, np.float64(0)
        for i, flat in old.items():
            new[i], t = rank_and_zero(flat, pruning_ratio)
            threshold = np.maximum(threshold, t)
        after = np.concatenate([np.zeros(0)] + list(new.values()))
    info = describe(pruning_ratio, threshold, before, after)
    info["scope"] = scope
    info["layers"] = []
    for i, layer in layers.items():
        layer.weights.data = new[i].reshape(layer.weights.shape)
        info["layers"].append(
            {
                "index": np.int64(i),
                "sparsity": np.float64((new[i] == 0).mean()),
                "remaining_weights": np.int64((new[i] != 0).sum()),
                "total_weights": np.int64(len(new[i])),
                "layer": "Dense",
            }
        )
    return model, info


def integer_bits(bits, smallest):
    if type(bits) not in (int, np.int32, np.int64):
        raise ValueError("bits must be an int, np.int32 or np.int64")
    bits = int(bits)
    if bits < smallest or 16 < bits:
        raise ValueError(f"bits must be from {smallest} to 16")
    return bits


def quantization_report(bits, w, scale, zero_point, q, layer):
    error = w - layer.weights.data.astype(np.float64)
    return {
        "bits": np.int64(bits),
        "scale": scale,
        "zero_point": zero_point,
        "min_val": np.min(w),
        "max_val": np.max(w),
        "quantized_weights": q,
        "total_weights": np.int64(w.size),
        "original_bytes": np.int64(4 * w.size),
        "quantized_bytes": np.int64(np.ceil(w.size * bits / 8)),
        "memory_reduction": np.float64(32) / bits,
        "mse_error": np.mean(error * error),
        "max_error": np.max(np.abs(error)),
        "original_dtype": layer.weights.data.dtype.name,
        "rmse_error": np.sqrt(np.mean(error * error)),
        "levels": np.int64(2**bits),
    }


def quantize_layer_weights(layer, bits=8):
    bits = integer_bits(bits, 1)
    w = w64(layer)
    w_min = np.minimum(np.float64(0), w.min())
    w_max = np.maximum(np.float64(0), w.max())
    highest = np.float64(2**bits - 1)
    scale = (w_max - w_min) / highest
    if scale == 0:
        scale = np.float64(1)
    zero_point = np.int64(np.round(-w_min / scale))
    q = np.clip(np.round(w / scale) + zero_point, 0, highest)
    layer.weights.data = (q - zero_point) * scale
    q = q.astype(np.uint8) if bits <= 8 else q.astype(np.uint16)
    return layer, quantization_report(bits, w, scale, zero_point, q, layer)


def quantize_layer_weights_per_channel(layer, bits=8):
    bits = integer_bits(bits, 2)
    w = w64(layer)
    highest = np.float64(2 ** (bits - 1) - 1)
    scale = np.max(np.abs(w), axis=0) / highest
    scale[scale == 0] = 1
    q = np.clip(np.round(w / scale[np.newaxis, :]), -highest, highest)
    layer.weights.data = q * scale[np.newaxis, :]
    q = q.astype(np.int8) if bits <= 8 else q.astype(np.int16)
    return layer, quantization_report(bits, w, scale, np.int64(0), q, layer)


def f64(values):
    return np.array(values.data if isinstance(values, Tensor) else values, dtype=np.float64)


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        temperature = np.float64(temperature)
        if not np.isfinite(temperature) or temperature <= 0:
            raise ValueError("temperature must be finite and positive")
        in_unit_interval(alpha, "alpha")
        self.temperature = temperature
        self.alpha = np.float64(alpha)

    def _softmax(self, logits):
        shifted = f64(logits)
        shifted -= shifted.max(axis=-1, keepdims=True)
        np.exp(shifted, out=shifted)
        shifted /= shifted.sum(axis=-1, keepdims=True)
        return shifted

    def _log_sum_exp(self, z):
        largest = z.max(axis=-1)
        return largest + np.log(np.exp(z - largest[:, None]).sum(axis=-1))

    def _indices(self, labels, shape):
        labels = np.asarray(labels.data if isinstance(labels, Tensor) else labels)
        if labels.dtype.kind not in "biuf":
            raise ValueError("labels must be numeric")
        labels = labels.astype(np.float64)
        if labels.ndim == 2:
            if labels.shape != shape:
                raise ValueError(f"one-hot labels must have shape {shape}")
            if not np.array_equal(np.sort(labels, axis=1), np.eye(shape[1])[[-1] * shape[0]]):
                raise ValueError("one-hot labels must be 1 in one place and 0 elsewhere")
            return labels.argmax(axis=1)
        if labels.shape != shape[:1]:
            raise ValueError(f"there must be {shape[0]} labels")
        if np.any(labels != np.round(labels)) or labels.min() < 0 or labels.max() >= shape[1]:
            raise ValueError(f"labels must be whole and below {shape[1]}")
        return labels.astype(np.int64)

    def _cross_entropy_loss(self, logits, labels):
        z = f64(logits)
        indices = self._indices(labels, z.shape)
        return np.mean(self._log_sum_exp(z) - z[np.arange(len(z)), indices])

    def _check(self, student_logits, teacher_logits, true_labels):
        student, teacher = f64(student_logits), f64(teacher_logits)
        if student.shape != teacher.shape:
            raise ValueError("student and teacher logits must have equal shapes")
        if student.ndim != 2 or student.shape[0] < 1:
            raise ValueError("logits must be a matrix with at least one row")
        return student, teacher, self._indices(true_labels, student.shape)

    def __call__(self, student_logits, teacher_logits, true_labels):
        student, teacher, labels = self._check(student_logits, teacher_logits, true_labels)
        hard = self._cross_entropy_loss(student, labels)
        student, teacher = student / self.temperature, teacher / self.temperature
        p = self._softmax(teacher)
        student -= student.max(axis=1, keepdims=True)
        teacher -= teacher.max(axis=1, keepdims=True)
        kl = np.sum(p * (teacher - student), axis=1)
        kl += self._log_sum_exp(student) - self._log_sum_exp(teacher)
        return self.alpha * hard + (1 - self.alpha) * np.square(self.temperature) * kl.mean()

    def gradient(self, student_logits, teacher_logits, true_labels):
        student, teacher, labels = self._check(student_logits, teacher_logits, true_labels)
        gradient = self._softmax(student)
        gradient[np.arange(len(labels)), labels] -= 1
        gradient *= self.alpha
        soft = self._softmax(student / self.temperature)
        soft -= self._softmax(teacher / self.temperature)
        gradient += (1 - self.alpha) * self.temperature * soft
        return gradient / len(labels)


def compute_neuron_importance(layer, method="weight_magnitude"):
    w = w64(layer)
    match method:
        case "weight_magnitude":
            return np.abs(w).sum(axis=0)
        case "weight_variance":
            return np.var(w, axis=0)
        case "random":
            return np.random.default_rng(0).standard_normal(w.shape[1])
        case _:
            raise ValueError("method: weight_magnitude, weight_variance or random")


def keep_ratio_is_fine(keep_ratio):
    in_unit_interval(keep_ratio, "keep_ratio")
    if keep_ratio == 0:
        raise ValueError("keep_ratio must be above 0")


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    keep_ratio_is_fine(keep_ratio)
    importance = compute_neuron_importance(layer, importance_method)
    n = np.int64(len(importance))
    k = np.maximum(np.int64(1), np.int64(float(keep_ratio) * int(n)))
    keep = np.sort(np.argsort(-importance, kind="stable")[:k])
    pruned = Dense(layer.input_size, int(k), use_bias=layer.bias is not None)
    pruned.weights.data = w64(layer)[:, keep]
    if layer.bias is not None:
        pruned.bias.data = layer.bias.data.astype(np.float64)[keep]
    per_neuron = np.int64(layer.input_size + (layer.bias is not None))
    return pruned, {
        "keep_ratio": np.float64(keep_ratio),
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": k,
        "neurons_removed": n - k,
        "compression_ratio": np.float64(n) / np.float64(k),
        "original_params": per_neuron * n,
        "new_params": per_neuron * k,
        "param_reduction": np.float64(n - k) / n,
        "keep_indices": keep,
        "importance": importance,
    }


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    keep_ratio_is_fine(keep_ratio)
    layers = dense_only(model)
    for layer in layers.values():
        compute_neuron_importance(layer, importance_method)
    last = max(layers, default=-1)
    pruned = copy.deepcopy(model)
    infos, rows = [], None
    for i, layer in layers.items():
        info = None
        if i != last:
            pruned.layers[i], info = prune_layer_neurons(layer, keep_ratio, importance_method)
            infos.append(info)
        if rows is not None:
            new = pruned.layers[i]
            smaller = Dense(len(rows), new.output_size, use_bias=new.bias is not None)
            smaller.weights.data = new.weights.data[rows, :]
            if new.bias is not None:
                smaller.bias.data = new.bias.data
            pruned.layers[i] = smaller
        rows = None if info is None else info["keep_indices"]
    count = CompressionMetrics().count_parameters
    old, new = np.float64(count(model)["total_parameters"]), count(pruned)["total_parameters"]
    return pruned, {
        "original_params": count(model)["total_parameters"],
        "new_params": new,
        "param_reduction": (old - new) / old if old else np.float64(0),
        "compression_ratio": old / new if new else np.float64(1),
        "layers": infos,
    }


def layer_bytes(layer, bits):
    n = layer.weights.size
    nonzero = np.sum(layer.weights.data != 0)
    mask = np.ceil(n / 8)
    best = np.minimum(4 * n, mask + 4 * nonzero)
    if bits:
        best = np.min([best, np.ceil(n * bits / 8) + 8, mask + np.ceil(nonzero * bits / 8) + 8])
    return best + (0 if layer.bias is None else 4 * layer.bias.size)


def compare_compression_techniques(model, inputs=None, labels=None):
    for layer in dense_only(model).values():
        w64(layer)
    metrics = CompressionMetrics()
    baseline = np.float64(metrics.calculate_model_size(model, "float32")["total_bytes"])
    trials = [["baseline", copy.deepcopy(model), 0], ["magnitude_pruning", None, 0]]
    trials[1][1], _ = prune_model_by_magnitude(copy.deepcopy(model), 0.5, "global")
    trials.append(["quantization", copy.deepcopy(model), 8])
    factors = [
        quantize_layer_weights(layer, 8)[1]["memory_reduction"]
        for layer in dense_only(trials[2][1]).values()
    ]
    structured, structured_info = prune_model_neurons(model, 0.75)
    trials.append(["structured_pruning", structured, 0])
    combined, _ = prune_model_neurons(model, 0.75)
    combined, _ = prune_model_by_magnitude(combined, 0.5)
    for layer in dense_only(combined).values():
        quantize_layer_weights(layer, 8)
    trials.append(["combined", combined, 8])
    results = {}
    for key, m, bits in trials:
        size = sum(layer_bytes(layer, bits) for layer in dense_only(m).values())
        if key == "baseline":
            size = baseline
        flat = np.concatenate([layer.weights.data.ravel() for layer in dense_only(m).values()])
        results[key] = {
            "technique": key.replace("_", " ").capitalize(),
            "parameters": metrics.count_parameters(m)["total_parameters"],
            "size_mb": size / 1048576,
            "size_bytes": size,
            "compression_ratio": baseline / size,
            "memory_reduction": 1 - size / baseline,
            "sparsity": np.mean(flat == 0),
        }
        if inputs is not None and labels is not None:
            predicted = np.argmax(m(Tensor(inputs)).data.astype(np.float64), axis=1)
            results[key]["accuracy"] = np.mean(predicted == np.asarray(labels))
    results["quantization"]["avg_memory_reduction_factor"] = np.mean(factors)
    results["structured_pruning"]["param_reduction"] = structured_info["param_reduction"]
    return results
