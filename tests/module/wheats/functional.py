"""Functional: small pure functions, comprehensions, reduce and partial; classes only as asked."""

from functools import partial, reduce
from itertools import accumulate, pairwise
from operator import add


def has_weights(layer):
    return getattr(layer, "weights", None) is not None


def has_bias(layer):
    return getattr(layer, "bias", None) is not None


def dense_layers(model):
    return tuple(filter(has_weights, model.layers))


def weights_of(layer):
    return layer.weights.data


def require(condition, message):
    if not condition:
        raise ValueError(message)


def require_finite(*layers):
    require(
        all(np.all(np.isfinite(weights_of(layer))) for layer in layers),
        "every weight must be a finite number",
    )


def size(layer):
    return (layer.weights.size if has_weights(layer) else 0) + (
        layer.bias.size if has_bias(layer) else 0
    )


class CompressionMetrics:
    @staticmethod
    def count_parameters(model):
        weights = {
            f"layer_{i}_weights": layer.weights.size
            for i, layer in enumerate(model.layers)
            if has_weights(layer)
        }
        biases = {
            f"layer_{i}_bias": layer.bias.size
            for i, layer in enumerate(model.layers)
            if has_bias(layer)
        }
        return {
            **weights,
            **biases,
            "total_weights": sum(weights.values()),
            "total_bias": sum(biases.values()),
            "total_parameters": sum(weights.values()) + sum(biases.values()),
        }

    @staticmethod
    def calculate_model_size(model, dtype="float32"):
        bits = dict(float32=32, float16=16, int8=8, int4=4).get(dtype)
        require(bits is not None, "dtype must be float32, float16, int8 or int4")
        n = sum(map(size, model.layers))
        total = (n * bits + 7) // 8
        return dict(
            total_parameters=n,
            bytes_per_parameter=bits / 8,
            total_bytes=total,
            size_kb=total / 1024,
            size_mb=total / 1024**2,
            dtype=dtype,
        )


def calculate_sparsity(layer):
    return float((weights_of(layer) == 0).mean()) if has_weights(layer) else 0.0


def without_smallest(k, flat):
    """The flat array with its k smallest magnitudes zeroed, and the largest of these."""
    order = np.argsort(np.abs(flat), kind="stable")
    pruned = np.where(np.isin(np.arange(flat.size), order[:k]), np.float32(0), flat)
    return pruned, float(np.abs(flat[order[k - 1]])) if k else 0.0


def summary(ratio, threshold, before, after):
    total, remaining = before.size, np.count_nonzero(after)
    return dict(
        pruning_ratio=ratio,
        threshold=threshold,
        total_weights=total,
        weights_removed=np.count_nonzero(before) - remaining,
        remaining_weights=remaining,
        sparsity=(total - remaining) / total if total else 0.0,
        compression_ratio=total / remaining if remaining else math.inf,
    )


def flatten(layers):
    return np.concatenate([np.zeros(0, np.float32), *map(np.ravel, map(weights_of, layers))])


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    before, after, threshold = prune_together((layer,), pruning_ratio)
    return layer, summary(pruning_ratio, threshold, before, after)


def prune_together(layers, ratio):
    require(0 <= ratio <= 1, "pruning_ratio must be in [0, 1]")
    require_finite(*layers)
    before = flatten(layers)
    after, threshold = without_smallest(round(ratio * before.size), before)
    bounds = pairwise(accumulate((layer.weights.size for layer in layers), add, initial=0))
    for layer, (a, b) in zip(layers, bounds):
        layer.weights = after[a:b].reshape(weights_of(layer).shape)
    return before, after, threshold


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    require(0 <= pruning_ratio <= 1, "pruning_ratio must be in [0, 1]")
    require(scope in ("global", "layer"), "scope must be 'global' or 'layer'")
    layers = dense_layers(model)
    require_finite(*layers)
    groups = (layers,) if scope == "global" else tuple((layer,) for layer in layers)
    parts = [prune_together(group, pruning_ratio) for group in groups]
    before = np.concatenate([np.zeros(0), *(part[0] for part in parts)])
    after = np.concatenate([np.zeros(0), *(part[1] for part in parts)])
    threshold = reduce(max, (part[2] for part in parts), 0.0)
    return model, summary(pruning_ratio, threshold, before, after) | dict(
        scope=scope,
        layers=[
            dict(
                index=i,
                sparsity=calculate_sparsity(layer),
                remaining_weights=np.count_nonzero(weights_of(layer)),
                total_weights=layer.weights.size,
            )
            for i, layer in enumerate(model.layers)
            if has_weights(layer)
        ],
    )


def checked_bits(bits, lowest):
    require(
        any(type(bits) is kind for kind in (int, np.int32, np.int64)) and lowest <= bits <= 16,
        f"bits must be an integer in {lowest}..16",
    )
    return int(bits)


def affine_grid(bits, w):
    """Scale, zero point, lowest and highest integer."""
    low, high = reduce(min, w.flat, 0.0), reduce(max, w.flat, 0.0)
    scale = float(high - low) / (2**bits - 1) if high > low else 1.0
    return scale, int(np.round(-low / scale)), 0, 2**bits - 1


def symmetric_grid(bits, w):
    top = 2 ** (bits - 1) - 1
    peak = np.abs(w).max(axis=0)
    return np.where(peak == 0, 1.0, peak / top), 0, -top, top


def quantize(grid, kind, lowest, layer, bits=8):
    bits = checked_bits(bits, lowest)
    require_finite(layer)
    w = weights_of(layer).astype(float)
    scale, zero_point, low, high = grid(bits, w)
    q = np.clip(np.round(w / scale) + zero_point, low, high)
    back = ((q - zero_point) * scale).astype(np.float32)
    layer.weights = back
    return layer, dict(
        bits=bits,
        scale=scale,
        zero_point=zero_point,
        min_val=float(w.min()),
        max_val=float(w.max()),
        quantized_weights=q.astype(f"{kind}{8 if bits <= 8 else 16}"),
        total_weights=w.size,
        original_bytes=4 * w.size,
        quantized_bytes=math.ceil(w.size * bits / 8),
        memory_reduction=32 / bits,
        mse_error=float(((back - w) ** 2).mean()),
        max_error=float(np.max(np.abs(back - w))),
        original_dtype="float32",
    )


quantize_layer_weights = partial(quantize, affine_grid, "uint", 1)
quantize_layer_weights_per_channel = partial(quantize, symmetric_grid, "int", 2)


def log_softmax(z):
    return z - np.logaddexp.reduce(z, axis=1, keepdims=True)


def one_hot(labels, batch, classes):
    labels = np.asarray(labels)
    if labels.shape == (batch,):
        rows = np.equal.outer(labels, np.arange(classes))
    else:
        require(labels.shape == (batch, classes), "labels need the shape of the logits or (batch,)")
        require(np.all((labels == 0) | (labels == 1)), "one-hot labels hold 0 and 1 only")
        rows = labels == 1
    require(np.all(rows.sum(axis=1) == 1), f"labels must be classes 0..{classes - 1}")
    return rows


def distillation_inputs(student, teacher, labels):
    student, teacher = (np.asarray(x, dtype=float) for x in (student, teacher))
    require(student.shape == teacher.shape, "the logits must have one shape")
    require(student.ndim == 2 and student.shape[0] > 0, "the batch must not be empty")
    return student, teacher, one_hot(labels, *student.shape)


def rows_mean(a):
    return float(a.sum(axis=1).mean())


class DistillationLoss:
    def __init__(self, temperature=3.0, alpha=0.5):
        require(temperature > 0 and math.isfinite(temperature), "temperature must be above 0")
        require(0 <= alpha <= 1, "alpha must be in [0, 1]")
        self.temperature = temperature
        self.alpha = alpha

    def _softmax(self, logits):
        return np.exp(log_softmax(np.asarray(logits, dtype=float)))

    def _cross_entropy_loss(self, logits, labels):
        logits = np.asarray(logits, dtype=float)
        return -rows_mean(np.where(one_hot(labels, *logits.shape), log_softmax(logits), 0))

    def __call__(self, student_logits, teacher_logits, true_labels):
        s, t, y = distillation_inputs(student_logits, teacher_logits, true_labels)
        p, q = log_softmax(t / self.temperature), log_softmax(s / self.temperature)
        hard = -rows_mean(np.where(y, log_softmax(s), 0))
        soft = rows_mean(np.exp(p) * (p - q))
        return self.alpha * hard + (1 - self.alpha) * self.temperature**2 * soft

    def gradient(self, student_logits, teacher_logits, true_labels):
        s, t, y = distillation_inputs(student_logits, teacher_logits, true_labels)
        soft = self._softmax(s / self.temperature) - self._softmax(t / self.temperature)
        hard = self._softmax(s) - y
        return (self.alpha * hard + (1 - self.alpha) * self.temperature * soft) / len(s)


IMPORTANCE = {
    "weight_magnitude": lambda w: np.abs(w).sum(axis=0),
    "weight_variance": partial(np.var, axis=0),
    "random": lambda w: np.random.default_rng().permuted(np.arange(w.shape[1], dtype=float)),
}


def compute_neuron_importance(layer, method="weight_magnitude"):
    require(method in IMPORTANCE, f"method must be one of {', '.join(IMPORTANCE)}")
    require_finite(layer)
    return IMPORTANCE[method](weights_of(layer).astype(float))


def checked_keep_ratio(ratio):
    require(0 < ratio <= 1, "keep_ratio must be in (0, 1]")
    return ratio


def part(layer, rows, columns):
    """A new layer of some rows and columns of another."""
    w = weights_of(layer)[rows][:, columns]
    new = Dense(*w.shape, use_bias=has_bias(layer))
    new.weights = w
    if has_bias(layer):
        new.bias = layer.bias.data[columns]
    return new


def best(layer, keep_ratio, method):
    importance = compute_neuron_importance(layer, method)
    k = max(1, int(checked_keep_ratio(keep_ratio) * importance.size))
    ranked = sorted(range(importance.size), key=lambda j: -importance[j])
    return tuple(sorted(ranked[:k]))


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    keep = best(layer, keep_ratio, importance_method)
    pruned = part(layer, slice(None), list(keep))
    n = weights_of(layer).shape[1]
    return pruned, dict(
        keep_ratio=keep_ratio,
        importance_method=importance_method,
        original_neurons=n,
        remaining_neurons=len(keep),
        neurons_removed=n - len(keep),
        compression_ratio=n / len(keep),
        original_params=size(layer),
        new_params=size(pruned),
        param_reduction=1 - size(pruned) / size(layer),
        keep_indices=list(keep),
    )


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    checked_keep_ratio(keep_ratio)
    require(importance_method in IMPORTANCE, "importance_method is unknown")
    dense = dense_layers(model)
    require_finite(*dense)
    infos = [prune_layer_neurons(x, keep_ratio, importance_method)[1] for x in dense[:-1]]
    columns = [info["keep_indices"] for info in infos] + [slice(None)]
    rows = [slice(None), *columns[:-1]]
    smaller = iter([part(*arguments) for arguments in zip(dense, rows, columns)])
    pruned = Sequential([next(smaller) if has_weights(x) else x for x in model.layers])
    old, new = (sum(map(size, m.layers)) for m in (model, pruned))
    return pruned, dict(
        original_params=old,
        new_params=new,
        param_reduction=1 - new / old if old else 0.0,
        compression_ratio=old / new if new else 1.0,
        layers=infos,
    )


def duplicate(model):
    everything = slice(None)
    return Sequential(
        [part(x, everything, everything) if has_weights(x) else x for x in model.layers]
    )


def dense_bytes(layer):
    return 4 * size(layer)


def smallest_bytes(bits, layer):
    n, nonzero = layer.weights.size, np.count_nonzero(weights_of(layer))
    values = [(32, 0)] + ([(bits, 8)] if bits else [])
    forms = [math.ceil(n * width / 8) + extra for width, extra in values] + [
        math.ceil(n / 8) + math.ceil(nonzero * width / 8) + extra for width, extra in values
    ]
    return min(forms) + (4 * layer.bias.size if has_bias(layer) else 0)


def model_bytes(layer_bytes, model):
    return sum(map(layer_bytes, dense_layers(model)))


def sparsity(model):
    flat = flatten(dense_layers(model))
    return float((flat == 0).mean())


def quantized(model):
    twin = duplicate(model)
    infos = [quantize_layer_weights(layer, bits=8)[1] for layer in dense_layers(twin)]
    return twin, sum(info["memory_reduction"] for info in infos) / len(infos)


def magnitude_pruned(model):
    return prune_model_by_magnitude(duplicate(model), 0.5, "global")[0]


def compare_compression_techniques(model, inputs=None, labels=None):
    require_finite(*dense_layers(model))
    structured, structured_info = prune_model_neurons(model, 0.75)
    packed, factor = quantized(model)
    sparse = magnitude_pruned(model)
    combined = quantized(magnitude_pruned(structured))[0]
    original = model_bytes(dense_bytes, model)

    def entry(technique, m, layer_bytes, **extra):
        stored = model_bytes(layer_bytes, m)
        accuracy = (
            {}
            if inputs is None or labels is None
            else {"accuracy": np.equal(np.argmax(m(inputs).data, axis=1), labels).mean()}
        )
        return dict(
            technique=technique,
            parameters=sum(map(size, m.layers)),
            size_mb=stored / 1024**2,
            compression_ratio=original / stored,
            memory_reduction=1 - stored / original,
            **accuracy,
            **extra,
        )

    return dict(
        baseline=entry("baseline", model, dense_bytes),
        magnitude_pruning=entry(
            "magnitude pruning", sparse, partial(smallest_bytes, None), sparsity=sparsity(sparse)
        ),
        quantization=entry(
            "quantization",
            packed,
            partial(smallest_bytes, 8),
            avg_memory_reduction_factor=factor,
        ),
        structured_pruning=entry(
            "structured pruning",
            structured,
            partial(smallest_bytes, None),
            param_reduction=structured_info["param_reduction"],
        ),
        combined=entry(
            "combined", combined, partial(smallest_bytes, 8), sparsity=sparsity(combined)
        ),
    )
