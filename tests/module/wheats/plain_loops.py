"""Plain Python: loops over lists, NumPy only to read a layer and to hand results back."""


class CompressionMetrics:
    def count_parameters(self, model):
        counts = {}
        total_weights = 0
        total_bias = 0
        for i in range(len(model.layers)):
            layer = model.layers[i]
            if not hasattr(layer, "weights"):
                continue
            rows, columns = layer.weights.data.shape
            counts["layer_" + str(i) + "_weights"] = rows * columns
            total_weights += rows * columns
            if layer.bias is not None:
                counts["layer_" + str(i) + "_bias"] = columns
                total_bias += columns
        counts["total_weights"] = total_weights
        counts["total_bias"] = total_bias
        counts["total_parameters"] = total_weights + total_bias
        return counts

    def calculate_model_size(self, model, dtype="float32"):
        n = self.count_parameters(model)["total_parameters"]
        if dtype == "float32":
            width, size = 4.0, 4 * n
        elif dtype == "float16":
            width, size = 2.0, 2 * n
        elif dtype == "int8":
            width, size = 1.0, n
        elif dtype == "int4":
            width, size = 0.5, (n + 1) // 2
        else:
            raise ValueError("dtype is one of float32, float16, int8, int4")
        result = {"total_parameters": n, "bytes_per_parameter": width, "total_bytes": size}
        result["size_kb"] = size / 1024
        result["size_mb"] = size / (1024 * 1024)
        result["dtype"] = dtype
        return result


def read(layer):
    """The weights as a list of rows, checked."""
    rows = layer.weights.data.tolist()
    for row in rows:
        for w in row:
            if w != w or w in (float("inf"), float("-inf")):
                raise ValueError("weights must be finite")
    return rows


def write(layer, rows):
    layer.weights = Tensor(np.array(rows, dtype=np.float32))


def check_ratio(ratio):
    if ratio != ratio or ratio < 0 or ratio > 1:
        raise ValueError("the ratio is a number from 0 to 1")


def calculate_sparsity(layer):
    if not hasattr(layer, "weights"):
        return 0.0
    zeros = 0
    total = 0
    for row in layer.weights.data.tolist():
        for w in row:
            total += 1
            if w == 0:
                zeros += 1
    return zeros / total


def zero_smallest(matrices, k):
    """Zero the k smallest magnitudes in a list of matrices; the summary of what happened."""
    places = []
    for m in range(len(matrices)):
        for i in range(len(matrices[m])):
            for j in range(len(matrices[m][i])):
                places.append((abs(matrices[m][i][j]), m, i, j))
    places.sort()
    removed = 0
    threshold = 0.0
    for magnitude, m, i, j in places[:k]:
        matrices[m][i][j] = 0.0
        threshold = magnitude
        if magnitude > 0:
            removed += 1
    remaining = 0
    for matrix in matrices:
        for row in matrix:
            for w in row:
                if w != 0:
                    remaining += 1
    info = {"threshold": threshold, "total_weights": len(places), "weights_removed": removed}
    info["remaining_weights"] = remaining
    info["sparsity"] = (len(places) - remaining) / len(places) if places else 0.0
    info["compression_ratio"] = len(places) / remaining if remaining else float("inf")
    return info


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    check_ratio(pruning_ratio)
    rows = read(layer)
    info = zero_smallest([rows], round(pruning_ratio * (len(rows) * len(rows[0]))))
    write(layer, rows)
    info["pruning_ratio"] = pruning_ratio
    return layer, info


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    check_ratio(pruning_ratio)
    if scope != "global" and scope != "layer":
        raise ValueError("scope is 'global' or 'layer'")
    indices = []
    matrices = []
    for i in range(len(model.layers)):
        if type(model.layers[i]) is Dense:
            indices.append(i)
            matrices.append(read(model.layers[i]))
    if scope == "global":
        n = 0
        for matrix in matrices:
            n += len(matrix) * len(matrix[0])
        info = zero_smallest(matrices, round(pruning_ratio * n))
    else:
        threshold = 0.0
        removed = 0
        for matrix in matrices:
            part = zero_smallest([matrix], round(pruning_ratio * (len(matrix) * len(matrix[0]))))
            removed += part["weights_removed"]
            if part["threshold"] > threshold:
                threshold = part["threshold"]
        info = zero_smallest(matrices, 0)
        info["threshold"] = threshold
        info["weights_removed"] = removed
    info["pruning_ratio"] = pruning_ratio
    info["scope"] = scope
    info["layers"] = []
    for i, matrix in zip(indices, matrices):
        write(model.layers[i], matrix)
        part = zero_smallest([matrix], 0)
        entry = {"index": i}
        for key in ("sparsity", "remaining_weights", "total_weights"):
            entry[key] = part[key]
        info["layers"].append(entry)
    return model, info


def check_bits(bits, lowest):
    if type(bits) not in (int, np.int32, np.int64):
        raise ValueError("bits is an integer")
    if bits < lowest or bits > 16:
        raise ValueError("bits is from " + str(lowest) + " to 16")
    return int(bits)


def quantize_layer_weights(layer, bits=8):
    bits = check_bits(bits, 1)
    rows = read(layer)
    everything = [w for row in rows for w in row]
    low = min(everything + [0.0])
    high = max(everything + [0.0])
    top = 2**bits - 1
    scale = 1.0
    if high > low:
        scale = (high - low) / top
    zero_point = round(-low / scale)
    integers = []
    restored = []
    for row in rows:
        integers.append([])
        restored.append([])
        for w in row:
            q = round(w / scale) + zero_point
            if q < 0:
                q = 0
            if q > top:
                q = top
            integers[-1].append(q)
            restored[-1].append((q - zero_point) * scale)
    write(layer, restored)
    dtype = np.uint8 if bits <= 8 else np.uint16
    return layer, report(bits, rows, integers, restored, scale, zero_point, dtype)


def quantize_layer_weights_per_channel(layer, bits=8):
    bits = check_bits(bits, 2)
    rows = read(layer)
    top = 2 ** (bits - 1) - 1
    scales = []
    for j in range(len(rows[0])):
        largest = 0.0
        for row in rows:
            largest = max(largest, abs(row[j]))
        scales.append(largest / top if largest > 0 else 1.0)
    integers = []
    restored = []
    for row in rows:
        integers.append([])
        restored.append([])
        for j in range(len(row)):
            q = max(-top, min(top, round(row[j] / scales[j])))
            integers[-1].append(q)
            restored[-1].append(q * scales[j])
    write(layer, restored)
    dtype = np.int8 if bits <= 8 else np.int16
    return layer, report(bits, rows, integers, restored, np.array(scales), 0, dtype)


def report(bits, rows, integers, restored, scale, zero_point, dtype):
    n = len(rows) * len(rows[0])
    squares = 0.0
    largest = 0.0
    for i in range(len(rows)):
        for j in range(len(rows[0])):
            error = abs(rows[i][j] - restored[i][j])
            squares += error * error
            largest = max(largest, error)
    return {
        "bits": bits,
        "scale": scale,
        "zero_point": zero_point,
        "min_val": min(min(row) for row in rows),
        "max_val": max(max(row) for row in rows),
        "quantized_weights": np.array(integers, dtype=dtype),
        "total_weights": n,
        "original_bytes": 4 * n,
        "quantized_bytes": (n * bits + 7) // 8,
        "memory_reduction": 32 / bits,
        "mse_error": squares / n,
        "max_error": largest,
        "original_dtype": "float32",
    }


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        if not (temperature > 0 and temperature < float("inf")):
            raise ValueError("temperature is a finite number above 0")
        if not (alpha >= 0 and alpha <= 1):
            raise ValueError("alpha is a number from 0 to 1")
        self.temperature = temperature
        self.alpha = alpha

    def _softmax(self, logits):
        return np.array([softmax_row(row) for row in np.asarray(logits).tolist()])

    def _cross_entropy_loss(self, logits, labels):
        rows = as_rows(logits)
        total = 0.0
        for row, label in zip(rows, class_indices(labels, rows)):
            total -= log_softmax_row(row)[label]
        return total / len(rows)

    def __call__(self, student_logits, teacher_logits, true_labels):
        student, teacher, labels = prepare(student_logits, teacher_logits, true_labels)
        hard = 0.0
        soft = 0.0
        for i in range(len(student)):
            hard -= log_softmax_row(student[i])[labels[i]]
            log_p = log_softmax_row([z / self.temperature for z in teacher[i]])
            log_q = log_softmax_row([z / self.temperature for z in student[i]])
            for c in range(len(log_p)):
                soft += math.exp(log_p[c]) * (log_p[c] - log_q[c])
        hard /= len(student)
        soft /= len(student)
        return self.alpha * hard + (1 - self.alpha) * self.temperature**2 * soft

    def gradient(self, student_logits, teacher_logits, true_labels):
        student, teacher, labels = prepare(student_logits, teacher_logits, true_labels)
        gradient = []
        for i in range(len(student)):
            plain = softmax_row(student[i])
            q = softmax_row([z / self.temperature for z in student[i]])
            p = softmax_row([z / self.temperature for z in teacher[i]])
            row = []
            for c in range(len(plain)):
                hard = plain[c] - (1.0 if c == labels[i] else 0.0)
                soft = self.temperature * (q[c] - p[c])
                row.append((self.alpha * hard + (1 - self.alpha) * soft) / len(student))
            gradient.append(row)
        return np.array(gradient)


def softmax_row(row):
    largest = max(row)
    powers = [math.exp(z - largest) for z in row]
    total = sum(powers)
    return [power / total for power in powers]


def log_softmax_row(row):
    largest = max(row)
    log_total = math.log(sum(math.exp(z - largest) for z in row))
    return [z - largest - log_total for z in row]


def as_rows(values):
    if isinstance(values, Tensor):
        values = values.data
    return np.asarray(values).tolist()


def class_indices(labels, logits):
    labels = as_rows(labels)
    classes = len(logits[0])
    if len(labels) != len(logits):
        raise ValueError("there must be a label for each row of the logits")
    result = []
    for label in labels:
        if isinstance(label, list):
            if len(label) != classes or label.count(1) != 1 or label.count(0) != classes - 1:
                raise ValueError("a one-hot label has a single 1, one place for each class")
            label = label.index(1)
        if not isinstance(label, (int, float)) or label not in range(classes):
            raise ValueError("a label is a whole number from 0 to classes - 1")
        result.append(int(label))
    return result


def prepare(student, teacher, labels):
    student, teacher = as_rows(student), as_rows(teacher)
    if len(student) == 0 or len(student) != len(teacher):
        raise ValueError("student and teacher need the same number of rows, at least one")
    for a, b in zip(student, teacher):
        if len(a) != len(b):
            raise ValueError("student and teacher need the same number of classes")
    return student, teacher, class_indices(labels, student)


def compute_neuron_importance(layer, method="weight_magnitude"):
    rows = read(layer)
    columns = list(zip(*rows))
    if method == "weight_magnitude":
        return np.array([sum(abs(w) for w in column) for column in columns])
    if method == "weight_variance":
        variances = []
        for column in columns:
            mean = sum(column) / len(column)
            variances.append(sum((w - mean) ** 2 for w in column) / len(column))
        return np.array(variances)
    if method == "random":
        return np.random.random(len(columns))
    raise ValueError("method is weight_magnitude, weight_variance or random")


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not (keep_ratio > 0 and keep_ratio <= 1):
        raise ValueError("keep_ratio is above 0 and at most 1")
    importance = compute_neuron_importance(layer, importance_method).tolist()
    n = len(importance)
    k = max(1, int(keep_ratio * n))
    keep = []
    for _ in range(k):
        best = None
        for j in range(n):
            if j not in keep and (best is None or importance[j] > importance[best]):
                best = j
        keep.append(best)
    keep.sort()
    weights = [[row[j] for j in keep] for row in layer.weights.data.tolist()]
    bias = None
    if layer.bias is not None:
        bias = [layer.bias.data.tolist()[j] for j in keep]
    pruned = build(weights, bias)
    old = layer.weights.data.size + (n if bias is not None else 0)
    new = pruned.weights.data.size + (k if bias is not None else 0)
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": k,
        "neurons_removed": n - k,
        "compression_ratio": n / k,
        "original_params": old,
        "new_params": new,
        "param_reduction": (old - new) / old,
        "keep_indices": keep,
    }


def build(weights, bias):
    layer = Dense(len(weights), len(weights[0]), use_bias=bias is not None)
    write(layer, weights)
    if bias is not None:
        layer.bias = Tensor(np.array(bias, dtype=np.float32))
    return layer


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not (keep_ratio > 0 and keep_ratio <= 1):
        raise ValueError("keep_ratio is above 0 and at most 1")
    if importance_method not in ("weight_magnitude", "weight_variance", "random"):
        raise ValueError("importance_method is weight_magnitude, weight_variance or random")
    last = None
    for i in range(len(model.layers)):
        if type(model.layers[i]) is Dense:
            read(model.layers[i])
            last = i
    layers = []
    infos = []
    kept = None
    for i in range(len(model.layers)):
        layer = model.layers[i]
        if type(layer) is not Dense:
            layers.append(copy.copy(layer))
            continue
        columns = list(range(layer.weights.data.shape[1]))
        if i != last:
            info = prune_layer_neurons(layer, keep_ratio, importance_method)[1]
            infos.append(info)
            columns = [int(j) for j in info["keep_indices"]]
        rows = layer.weights.data.tolist()
        if kept is not None:
            rows = [rows[j] for j in kept]
        bias = None
        if layer.bias is not None:
            bias = [layer.bias.data.tolist()[j] for j in columns]
        layers.append(build([[row[j] for j in columns] for row in rows], bias))
        kept = columns
    pruned = Sequential(layers)
    old = count_all(model)
    new = count_all(pruned)
    info = {"original_params": old, "new_params": new, "layers": infos}
    info["param_reduction"] = (old - new) / old if old else 0.0
    info["compression_ratio"] = old / new if new else 1.0
    return pruned, info


def count_all(model):
    n = 0
    for layer in model.layers:
        if type(layer) is Dense:
            n += layer.weights.data.size
            if layer.bias is not None:
                n += layer.bias.data.size
    return n


def copy_model(model):
    layers = []
    for layer in model.layers:
        if type(layer) is Dense:
            bias = None if layer.bias is None else layer.bias.data.tolist()
            layers.append(build(layer.weights.data.tolist(), bias))
        else:
            layers.append(layer)
    return Sequential(layers)


def honest_size(model, bits):
    size = 0
    for layer in model.layers:
        if type(layer) is not Dense:
            continue
        n = 0
        nonzero = 0
        for row in layer.weights.data.tolist():
            for w in row:
                n += 1
                if w != 0:
                    nonzero += 1
        best = 4 * n
        mask = (n + 7) // 8
        if mask + 4 * nonzero < best:
            best = mask + 4 * nonzero
        if bits is not None:
            if (n * bits + 7) // 8 + 8 < best:
                best = (n * bits + 7) // 8 + 8
            if mask + (nonzero * bits + 7) // 8 + 8 < best:
                best = mask + (nonzero * bits + 7) // 8 + 8
        size += best
        if layer.bias is not None:
            size += 4 * len(layer.bias.data)
    return size


def compare_compression_techniques(model, inputs=None, labels=None):
    for layer in model.layers:
        if type(layer) is Dense:
            read(layer)
    models = {"baseline": copy_model(model)}
    models["magnitude_pruning"] = prune_model_by_magnitude(copy_model(model), 0.5, "global")[0]
    models["quantization"] = copy_model(model)
    models["structured_pruning"] = prune_model_neurons(copy_model(model), 0.75)[0]
    models["combined"] = prune_model_neurons(copy_model(model), 0.75)[0]
    prune_model_by_magnitude(models["combined"], 0.5)
    factors = []
    for name in ("quantization", "combined"):
        for layer in models[name].layers:
            if type(layer) is Dense:
                factors.append(quantize_layer_weights(layer, 8)[1]["memory_reduction"])
    original = 4 * count_all(model)
    results = {}
    for name in models:
        size = original
        if name in ("magnitude_pruning", "structured_pruning"):
            size = honest_size(models[name], None)
        elif name in ("quantization", "combined"):
            size = honest_size(models[name], 8)
        result = {
            "technique": name.replace("_", " "),
            "parameters": count_all(models[name]),
            "size_mb": size / 1024 / 1024,
            "compression_ratio": original / size,
            "memory_reduction": 1 - size / original,
        }
        if inputs is not None and labels is not None:
            right = 0
            outputs = models[name].forward(Tensor(inputs)).data.tolist()
            for row, label in zip(outputs, labels):
                if row.index(max(row)) == label:
                    right += 1
            result["accuracy"] = right / len(labels)
        results[name] = result
    for name in ("magnitude_pruning", "combined"):
        zeros = 0
        weights = 0
        for layer in models[name].layers:
            if type(layer) is Dense:
                zeros += int(np.sum(layer.weights.data == 0))
                weights += layer.weights.data.size
        results[name]["sparsity"] = zeros / weights
    results["quantization"]["avg_memory_reduction_factor"] = sum(factors) / len(factors)
    results["structured_pruning"]["param_reduction"] = 1 - count_all(
        models["structured_pruning"]
    ) / count_all(model)
    return results
