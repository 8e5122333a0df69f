"""Rankings by heapq, dictionaries of positions, rational arithmetic for every ratio."""

import heapq
from collections import Counter
from fractions import Fraction


class CompressionMetrics:
    def count_parameters(self, model):
        counts = Counter()
        for i, layer in enumerate(model.layers):
            for kind in ("weights", "bias"):
                tensor = getattr(layer, kind, None)
                if tensor is not None:
                    counts[f"layer_{i}_{kind}"] = tensor.size
                    counts[f"total_{kind}"] += tensor.size
                    counts["total_parameters"] += tensor.size
        for key in ("total_weights", "total_bias", "total_parameters"):
            counts.setdefault(key, 0)
        return dict(counts)

    def calculate_model_size(self, model, dtype="float32"):
        per_parameter = {
            "float32": Fraction(4),
            "float16": Fraction(2),
            "int8": Fraction(1),
            "int4": Fraction(1, 2),
        }
        if dtype not in per_parameter:
            raise ValueError("dtype not among " + ", ".join(per_parameter))
        n = self.count_parameters(model)["total_parameters"]
        size = math.ceil(n * per_parameter[dtype])
        return {
            "total_parameters": n,
            "bytes_per_parameter": float(per_parameter[dtype]),
            "total_bytes": size,
            "size_kb": float(Fraction(size, 1024)),
            "size_mb": float(Fraction(size, 1024 * 1024)),
            "dtype": dtype,
        }


def layer_weights(layer):
    """{(row, column): weight} of a layer."""
    weights = {place: float(w) for place, w in np.ndenumerate(layer.weights.data)}
    if not all(map(math.isfinite, weights.values())):
        raise ValueError("weights must be finite numbers")
    return weights


def store(layer, weights):
    for place, w in weights.items():
        layer.weights.data[place] = w


def ratio_of(part, whole, otherwise):
    return float(Fraction(part, whole)) if whole else otherwise


def calculate_sparsity(layer):
    if getattr(layer, "weights", None) is None:
        return 0.0
    values = layer.weights.data.ravel().tolist()
    return ratio_of(values.count(0.0), len(values), 0.0)


def zero_smallest(weights, k):
    """A copy with the k smallest zeroed, how many of them were new, the largest of them."""
    places = heapq.nsmallest(k, weights, key=lambda place: abs(weights[place]))
    new = sum(weights[place] != 0 for place in places)
    threshold = max((abs(weights[place]) for place in places), default=0.0)
    return weights | dict.fromkeys(places, 0.0), new, threshold


def report(pruning_ratio, threshold, removed, weights):
    remaining = sum(w != 0 for w in weights.values())
    return {
        "pruning_ratio": pruning_ratio,
        "threshold": threshold,
        "total_weights": len(weights),
        "weights_removed": removed,
        "remaining_weights": remaining,
        "sparsity": ratio_of(len(weights) - remaining, len(weights), 0.0),
        "compression_ratio": ratio_of(len(weights), remaining, float("inf")),
    }


def number_to_remove(pruning_ratio, n):
    if not 0 <= pruning_ratio <= 1:
        raise ValueError("pruning_ratio must be between 0 and 1")
    return round(pruning_ratio * n)


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    k = number_to_remove(pruning_ratio, layer.weights.size)
    weights, removed, threshold = zero_smallest(layer_weights(layer), k)
    store(layer, weights)
    return layer, report(pruning_ratio, threshold, removed, weights)


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    number_to_remove(pruning_ratio, 0)
    if scope not in ("global", "layer"):
        raise ValueError("scope must be global or layer")
    by_layer = {i: layer_weights(x) for i, x in enumerate(model.layers) if isinstance(x, Dense)}
    every = {(i, *place): w for i, ws in by_layer.items() for place, w in ws.items()}
    if scope == "global":
        k = number_to_remove(pruning_ratio, len(every))
        every, removed, threshold = zero_smallest(every, k)
    else:
        removed, threshold = 0, 0.0
        for i, weights in by_layer.items():
            k = number_to_remove(pruning_ratio, len(weights))
            weights, new, largest = zero_smallest(weights, k)
            every |= {(i, *place): w for place, w in weights.items()}
            removed, threshold = removed + new, max(threshold, largest)
    info = report(pruning_ratio, threshold, removed, every) | {"scope": scope, "layers": []}
    for i in by_layer:
        weights = {place[1:]: w for place, w in every.items() if place[0] == i}
        store(model.layers[i], weights)
        part = report(pruning_ratio, threshold, 0, weights)
        keys = ("sparsity", "remaining_weights", "total_weights")
        info["layers"].append({"index": i} | {key: part[key] for key in keys})
    return model, info


def check_bits(bits, lowest):
    if isinstance(bits, bool):
        raise ValueError("bits must be a number, not a truth value")
    if not isinstance(bits, (int, np.int32, np.int64)):
        raise ValueError("bits must be an integer")
    if not lowest <= bits <= 16:
        raise ValueError(f"bits must be between {lowest} and 16")
    return int(bits)


def array_of(values, shape, dtype):
    a = np.zeros(shape, dtype=dtype)
    for place, value in values.items():
        a[place] = value
    return a


def quantized(layer, bits, weights, scales, zero_point, lowest, highest, dtype):
    """Round to the grid, store, report; `scales` by column."""
    q = {
        place: min(max(round(w / scales[place[1]]) + zero_point, lowest), highest)
        for place, w in weights.items()
    }
    restored = {place: (n - zero_point) * scales[place[1]] for place, n in q.items()}
    store(layer, restored)
    errors = [abs(restored[place] - w) for place, w in weights.items()]
    n = len(weights)
    return {
        "bits": bits,
        "zero_point": zero_point,
        "min_val": min(weights.values()),
        "max_val": max(weights.values()),
        "quantized_weights": array_of(q, layer.weights.shape, dtype),
        "total_weights": n,
        "original_bytes": 4 * n,
        "quantized_bytes": math.ceil(Fraction(n * bits, 8)),
        "memory_reduction": float(Fraction(32, bits)),
        "mse_error": math.fsum(e * e for e in errors) / n,
        "max_error": max(errors),
        "original_dtype": str(layer.weights.data.dtype),
    }


def quantize_layer_weights(layer, bits=8):
    bits = check_bits(bits, 1)
    weights = layer_weights(layer)
    low, high = min(0.0, *weights.values()), max(0.0, *weights.values())
    top = 2**bits - 1
    scale = (high - low) / top or 1.0
    zero_point = round(-low / scale)
    scales = [scale] * layer.weights.shape[1]
    dtype = np.uint8 if bits <= 8 else np.uint16
    info = quantized(layer, bits, weights, scales, zero_point, 0, top, dtype)
    return layer, info | {"scale": scale}


def quantize_layer_weights_per_channel(layer, bits=8):
    bits = check_bits(bits, 2)
    weights = layer_weights(layer)
    top = 2 ** (bits - 1) - 1
    largest = [0.0] * layer.weights.shape[1]
    for (_, j), w in weights.items():
        largest[j] = max(largest[j], abs(w))
    scales = [peak / top or 1.0 for peak in largest]
    dtype = np.int8 if bits <= 8 else np.int16
    info = quantized(layer, bits, weights, scales, 0, -top, top, dtype)
    return layer, info | {"scale": np.array(scales)}


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        if not 0 < temperature < math.inf:
            raise ValueError("temperature must be a positive number")
        if not 0 <= alpha <= 1:
            raise ValueError("alpha must be between 0 and 1")
        self.temperature = temperature
        self.alpha = alpha

    def _softmax(self, logits):
        logits = np.asarray(logits)
        exponentials = np.exp(logits - logits.max(axis=1)[:, None])
        return exponentials / exponentials.sum(axis=1)[:, None]

    def _cross_entropy_loss(self, logits, labels):
        logits = np.asarray(logits, dtype=np.float64)
        labels = self._classes(labels, logits.shape)
        return math.fsum(-self._log(row)[c] for row, c in zip(logits, labels)) / len(labels)

    def _log(self, row, temperature=1.0):
        """Log of the softmax of one row."""
        row = [float(z) / temperature for z in row]
        peak = max(row)
        total = math.log(math.fsum(math.exp(z - peak) for z in row))
        return [z - peak - total for z in row]

    def _classes(self, labels, shape):
        labels = np.asarray(labels.data) if isinstance(labels, Tensor) else np.asarray(labels)
        if labels.ndim == 2 and labels.shape == shape:
            hot = [[c for c in range(shape[1]) if row[c] == 1] for row in labels]
            if any(len(h) != 1 for h in hot) or np.count_nonzero(labels) != shape[0]:
                raise ValueError("each row of one-hot labels has one 1 and is 0 elsewhere")
            return [h[0] for h in hot]
        if labels.ndim != 1 or len(labels) != shape[0]:
            raise ValueError("labels must be (batch,) or (batch, classes)")
        allowed = {c: c for c in range(shape[1])}
        if not all(label in allowed for label in labels.tolist()):
            raise ValueError(f"classes go from 0 to {shape[1] - 1}")
        return [allowed[label] for label in labels.tolist()]

    def _rows(self, student_logits, teacher_logits, true_labels):
        student = np.array(student_logits, dtype=np.float64)
        teacher = np.array(teacher_logits, dtype=np.float64)
        if student.shape != teacher.shape:
            raise ValueError("the logits' shapes differ")
        if student.ndim != 2 or not student.size:
            raise ValueError("the logits must be (batch, classes) and not empty")
        return list(zip(student, teacher, self._classes(true_labels, student.shape)))

    def __call__(self, student_logits, teacher_logits, true_labels):
        hard, soft = [], []
        rows = self._rows(student_logits, teacher_logits, true_labels)
        for student, teacher, label in rows:
            hard.append(-self._log(student)[label])
            log_p = self._log(teacher, self.temperature)
            log_q = self._log(student, self.temperature)
            soft.extend(math.exp(p) * (p - q) for p, q in zip(log_p, log_q))
        soft = self.temperature**2 * math.fsum(soft)
        return (self.alpha * math.fsum(hard) + (1 - self.alpha) * soft) / len(rows)

    def gradient(self, student_logits, teacher_logits, true_labels):
        rows = self._rows(student_logits, teacher_logits, true_labels)
        gradient = np.zeros((len(rows), len(rows[0][0])))
        for i, (student, teacher, label) in enumerate(rows):
            hard = np.exp(self._log(student))
            hard[label] -= 1
            q = np.exp(self._log(student, self.temperature))
            p = np.exp(self._log(teacher, self.temperature))
            soft = self.temperature * (q - p)
            gradient[i] = (self.alpha * hard + (1 - self.alpha) * soft) / len(rows)
        return gradient


def compute_neuron_importance(layer, method="weight_magnitude"):
    weights = layer_weights(layer)
    columns = [[] for _ in range(layer.weights.shape[1])]
    for (_, j), w in weights.items():
        columns[j].append(w)
    if method == "weight_magnitude":
        return np.array([math.fsum(map(abs, column)) for column in columns])
    if method == "weight_variance":
        means = [math.fsum(column) / len(column) for column in columns]
        return np.array(
            [math.fsum((w - m) ** 2 for w in c) / len(c) for c, m in zip(columns, means)]
        )
    if method == "random":
        return np.random.default_rng().exponential(size=len(columns))
    raise ValueError("method must be weight_magnitude, weight_variance or random")


def check_keep_ratio(keep_ratio):
    if not 0 < keep_ratio <= 1:
        raise ValueError("keep_ratio must be above 0, at most 1")


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    check_keep_ratio(keep_ratio)
    importance = compute_neuron_importance(layer, importance_method)
    n = len(importance)
    k = max(1, int(keep_ratio * n))
    heap = []
    for j, value in enumerate(importance):
        heapq.heappush(heap, (value, j))
        if len(heap) > k:
            heapq.heappop(heap)
    keep = sorted(j for _, j in heap)
    inputs = layer.weights.shape[0]
    pruned = small_dense(layer, range(inputs), keep)
    per_neuron = inputs + (layer.bias is not None)
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": k,
        "neurons_removed": n - k,
        "compression_ratio": float(Fraction(n, k)),
        "original_params": n * per_neuron,
        "new_params": k * per_neuron,
        "param_reduction": float(Fraction(n - k, n)),
        "keep_indices": tuple(keep),
    }


def small_dense(layer, rows, columns):
    new = Dense(len(rows), len(columns), layer.bias is not None)
    for a, i in enumerate(rows):
        for b, j in enumerate(columns):
            new.weights.data[a, b] = layer.weights.data[i, j]
    if layer.bias is not None:
        for b, j in enumerate(columns):
            new.bias.data[b] = layer.bias.data[j]
    return new


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    check_keep_ratio(keep_ratio)
    positions = [i for i, layer in enumerate(model.layers) if isinstance(layer, Dense)]
    for i in positions:
        compute_neuron_importance(model.layers[i], importance_method)
    infos = {
        i: prune_layer_neurons(model.layers[i], keep_ratio, importance_method)[1]
        for i in positions[:-1]
    }
    layers = dict(enumerate(model.layers))
    rows = range(model.layers[positions[0]].weights.shape[0]) if positions else None
    for i in positions:
        every = range(model.layers[i].weights.shape[1])
        columns = infos[i]["keep_indices"] if i in infos else every
        layers[i] = small_dense(model.layers[i], rows, columns)
        rows = columns
    pruned = Sequential(layers.values())
    old, new = (
        CompressionMetrics().count_parameters(m)["total_parameters"] for m in (model, pruned)
    )
    return pruned, {
        "original_params": old,
        "new_params": new,
        "param_reduction": ratio_of(old - new, old, 0.0),
        "compression_ratio": ratio_of(old, new, 1.0),
        "layers": [infos[i] for i in sorted(infos)],
    }


def stored_size(model, bits):
    """Bytes of the smallest form of each layer; `bits` None where weights are float32."""
    size = 0
    for layer in model.layers:
        if isinstance(layer, Dense):
            weights = layer_weights(layer)
            n, nonzero = len(weights), sum(w != 0 for w in weights.values())
            forms = [4 * n]
            heapq.heappush(forms, math.ceil(n / 8) + 4 * nonzero)
            if bits is not None:
                heapq.heappush(forms, math.ceil(n * bits / 8) + 8)
                heapq.heappush(forms, math.ceil(n / 8) + math.ceil(nonzero * bits / 8) + 8)
            size += heapq.heappop(forms)
            size += 0 if layer.bias is None else 4 * layer.bias.size
    return size


def compare_compression_techniques(model, inputs=None, labels=None):
    for layer in model.layers:
        if isinstance(layer, Dense):
            layer_weights(layer)
    results = {}
    original = CompressionMetrics().calculate_model_size(model)["total_bytes"]

    def add(key, technique, m, size):
        entry = {
            "technique": technique,
            "parameters": CompressionMetrics().count_parameters(m)["total_parameters"],
            "size_mb": float(Fraction(size, 1024**2)),
            "compression_ratio": float(Fraction(original, size)),
            "memory_reduction": float(1 - Fraction(size, original)),
        }
        if inputs is not None and labels is not None:
            scores = m(Tensor(inputs)).data
            right = Counter(
                max(enumerate(row), key=lambda p: p[1])[0] == y for row, y in zip(scores, labels)
            )
            entry["accuracy"] = float(Fraction(right[True], len(labels)))
        results[key] = entry
        return entry

    def zeros(m):
        weights = [w for x in m.layers if isinstance(x, Dense) for w in layer_weights(x).values()]
        return float(Fraction(weights.count(0.0), len(weights)))

    def quantize_all(m):
        return [quantize_layer_weights(x, 8)[1] for x in m.layers if isinstance(x, Dense)]

    add("baseline", "nothing", model, original)
    m = prune_model_by_magnitude(copy.deepcopy(model), 0.5)[0]
    add("magnitude_pruning", "pruning", m, stored_size(m, None))["sparsity"] = zeros(m)
    m = copy.deepcopy(model)
    factors = [info["memory_reduction"] for info in quantize_all(m)]
    entry = add("quantization", "quantizing", m, stored_size(m, 8))
    entry["avg_memory_reduction_factor"] = math.fsum(factors) / len(factors)
    m, info = prune_model_neurons(model, 0.75)
    entry = add("structured_pruning", "removing neurons", m, stored_size(m, None))
    entry["param_reduction"] = info["param_reduction"]
    m = prune_model_by_magnitude(m, 0.5)[0]
    quantize_all(m)
    add("combined", "all", m, stored_size(m, 8))["sparsity"] = zeros(m)
    return results
