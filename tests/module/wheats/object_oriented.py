"""Classes for everything: dataclass reports, strategies by name, codecs, a Layers collection."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Range:
    """An interval of allowed numbers."""

    name: str
    low: float
    high: float
    low_is_allowed: bool = True

    def check(self, value):
        above = value >= self.low if self.low_is_allowed else value > self.low
        if not (above and value <= self.high):
            raise ValueError(f"{self.name} must lie between {self.low} and {self.high}")


class Layers:
    """The layers of a model that hold parameters, with their indices."""

    def __init__(self, model):
        self.items = [(i, x) for i, x in enumerate(model.layers) if hasattr(x, "weights")]

    def __iter__(self):
        return (layer for _, layer in self.items)

    def require_finite(self):
        for layer in self:
            if np.isfinite(layer.weights.data).sum() != layer.weights.data.size:
                raise ValueError("the weights of every layer must be finite")
        return self


class One:
    """A model-like holder of a single layer, so that Layers can look at it."""

    def __init__(self, layer):
        self.layers = [layer]


class CompressionMetrics:
    BYTES: ClassVar = {"float32": 4, "float16": 2, "int8": 1, "int4": 0.5}

    def count_parameters(self, model):
        report, totals = {}, {"total_weights": 0, "total_bias": 0}
        for i, layer in Layers(model).items:
            for name in ("weights", "bias"):
                tensor = getattr(layer, name)
                if tensor is not None:
                    report[f"layer_{i}_{name}"] = tensor.size
                    totals[f"total_{name}"] += tensor.size
        return {**report, **totals, "total_parameters": sum(totals.values())}

    def calculate_model_size(self, model, dtype="float32"):
        try:
            width = self.BYTES[dtype]
        except KeyError:
            raise ValueError(f"dtype must be one of {list(self.BYTES)}") from None
        n = self.count_parameters(model)["total_parameters"]
        return asdict(SizeReport(n, width, int(np.ceil(n * width)), dtype))


@dataclass
class SizeReport:
    total_parameters: int
    bytes_per_parameter: float
    total_bytes: int
    dtype: str
    size_kb: float = field(init=False)
    size_mb: float = field(init=False)

    def __post_init__(self):
        self.size_kb = self.total_bytes / 1024
        self.size_mb = self.size_kb / 1024


class Ranking:
    """All weights of several layers in one order, by magnitude."""

    def __init__(self, layers):
        self.arrays = [layer.weights.data.copy() for layer in layers]
        self.layers = list(layers)
        self.before = self.nonzero()
        self.total = sum(a.size for a in self.arrays)

    def nonzero(self):
        return sum(int(np.count_nonzero(a)) for a in self.arrays)

    def zero_smallest(self, k):
        """Returns the largest magnitude removed."""
        places = [(a, i) for a in self.arrays for i in range(a.size)]
        places.sort(key=lambda place: abs(place[0].flat[place[1]]))
        threshold = 0.0
        for array, i in places[:k]:
            threshold = float(abs(array.flat[i]))
            array.flat[i] = 0
        return threshold

    def commit(self):
        for layer, array in zip(self.layers, self.arrays):
            layer.weights.data = array


@dataclass
class PruningReport:
    pruning_ratio: float
    threshold: float
    total_weights: int
    weights_removed: int
    remaining_weights: int

    @property
    def sparsity(self):
        if not self.total_weights:
            return 0.0
        return 1 - self.remaining_weights / self.total_weights

    @property
    def compression_ratio(self):
        if not self.remaining_weights:
            return math.inf
        return self.total_weights / self.remaining_weights

    def as_dict(self):
        return asdict(self) | {
            "sparsity": self.sparsity,
            "compression_ratio": self.compression_ratio,
        }


class MagnitudePruner:
    def __init__(self, ratio):
        Range("pruning_ratio", 0, 1).check(ratio)
        self.ratio = ratio

    def prune(self, layers):
        ranking = Ranking(layers)
        threshold = ranking.zero_smallest(round(self.ratio * ranking.total))
        ranking.commit()
        after = ranking.nonzero()
        return PruningReport(self.ratio, threshold, ranking.total, ranking.before - after, after)

    def prune_each(self, layers):
        reports = [self.prune([layer]) for layer in layers]
        return PruningReport(
            self.ratio,
            max([r.threshold for r in reports], default=0.0),
            sum(r.total_weights for r in reports),
            sum(r.weights_removed for r in reports),
            sum(r.remaining_weights for r in reports),
        )


def calculate_sparsity(layer):
    return Sparsity(layer).fraction()


class Sparsity:
    def __init__(self, layer):
        self.tensor = getattr(layer, "weights", None)

    def fraction(self):
        if self.tensor is None:
            return 0.0
        return 1.0 - np.count_nonzero(self.tensor.data) / self.tensor.size


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    pruner = MagnitudePruner(pruning_ratio)
    return layer, pruner.prune(list(Layers(One(layer)).require_finite())).as_dict()


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    pruner = MagnitudePruner(pruning_ratio)
    strategies = {"global": pruner.prune, "layer": pruner.prune_each}
    if scope not in strategies:
        raise ValueError(f"scope must be one of {list(strategies)}")
    layers = Layers(model).require_finite()
    info = strategies[scope](list(layers)).as_dict()
    info["scope"] = scope
    info["layers"] = []
    for index, layer in layers.items:
        remaining = int(np.count_nonzero(layer.weights.data))
        info["layers"].append(
            {
                "index": index,
                "sparsity": Sparsity(layer).fraction(),
                "remaining_weights": remaining,
                "total_weights": layer.weights.size,
            }
        )
    return model, info


class Codec(ABC):
    """A way to turn floats into integers and back."""

    lowest_bits: int

    def __init__(self, bits):
        whole = isinstance(bits, (int, np.int32, np.int64)) and not isinstance(bits, bool)
        if not whole or bits not in range(self.lowest_bits, 17):
            raise ValueError(f"bits must be an integer from {self.lowest_bits} to 16")
        self.bits = int(bits)

    @abstractmethod
    def fit(self, w): ...

    @abstractmethod
    def encode(self, w): ...

    @abstractmethod
    def decode(self, q): ...

    def apply(self, layer):
        (layer,) = Layers(One(layer)).require_finite()
        w = layer.weights.data.astype(np.float64)
        self.fit(w)
        q = self.encode(w)
        layer.weights.data = self.decode(q)
        error = np.abs(layer.weights.data - w)
        return layer, {
            "bits": self.bits,
            "scale": self.scale,
            "zero_point": self.zero_point,
            "min_val": w.min(),
            "max_val": w.max(),
            "quantized_weights": q,
            "total_weights": w.size,
            "original_bytes": 4 * w.size,
            "quantized_bytes": -(-w.size * self.bits // 8),
            "memory_reduction": 32 / self.bits,
            "mse_error": (error**2).mean(),
            "max_error": error.max(),
            "original_dtype": np.dtype(np.float32).name,
        }


class Affine(Codec):
    lowest_bits = 1

    def fit(self, w):
        low, high = np.min(w, initial=0), np.max(w, initial=0)
        self.top = 2**self.bits - 1
        self.scale = (high - low) / self.top or 1.0
        self.zero_point = int(np.rint(-low / self.scale))

    def encode(self, w):
        q = np.rint(w / self.scale) + self.zero_point
        return q.clip(0, self.top).astype(np.uint8 if self.bits <= 8 else np.uint16)

    def decode(self, q):
        return (q.astype(int) - self.zero_point) * self.scale


class Symmetric(Codec):
    lowest_bits = 2
    zero_point = 0

    def fit(self, w):
        self.top = 2 ** (self.bits - 1) - 1
        self.scale = np.abs(w).max(axis=0) / self.top
        self.scale[self.scale == 0] = 1.0

    def encode(self, w):
        q = np.rint(w / self.scale).clip(-self.top, self.top)
        return q.astype(np.int8 if self.bits <= 8 else np.int16)

    def decode(self, q):
        return q * self.scale


def quantize_layer_weights(layer, bits=8):
    return Affine(bits).apply(layer)


def quantize_layer_weights_per_channel(layer, bits=8):
    return Symmetric(bits).apply(layer)


class Logits:
    """Checked logits, as float64, with the functions of a row."""

    def __init__(self, values):
        self.z = np.array(values, dtype=np.float64)

    def log_softmax(self, temperature=1.0):
        z = self.z / temperature
        z = z - z.max(axis=-1, keepdims=True)
        return z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))

    def softmax(self, temperature=1.0):
        return np.exp(self.log_softmax(temperature))


class Labels:
    """True classes in either form, as one-hot rows."""

    def __init__(self, values, shape):
        batch, classes = shape
        values = np.array(values)
        if not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
            raise ValueError("labels must be finite numbers")
        if values.ndim == 1 and len(values) == batch:
            values = self.spread(values, classes)
        if values.shape != shape or not self.is_one_hot(values):
            raise ValueError("labels must be one class index or one one-hot row for each sample")
        self.rows = values

    @staticmethod
    def spread(values, classes):
        if (values != np.floor(values)).any() or (values < 0).any() or (values >= classes).any():
            raise ValueError(f"class indices must be whole numbers from 0 to {classes - 1}")
        return (values[:, None] == np.arange(classes)).astype(float)

    @staticmethod
    def is_one_hot(values):
        return set(np.unique(values)) <= {0, 1} and (np.count_nonzero(values, axis=1) == 1).all()


@dataclass
class DistillationLoss:
    temperature: float = 3.0
    alpha: float = 0.5

    def __post_init__(self):
        Range("temperature", 0, np.finfo(float).max, low_is_allowed=False).check(self.temperature)
        Range("alpha", 0, 1).check(self.alpha)

    def _softmax(self, logits):
        return Logits(logits).softmax()

    def _cross_entropy_loss(self, logits, labels):
        logits = Logits(logits)
        rows = Labels(labels, logits.z.shape).rows
        return -(rows * logits.log_softmax()).sum() / len(rows)

    def parts(self, student, teacher, labels):
        student, teacher = Logits(student), Logits(teacher)
        if student.z.shape != teacher.z.shape or len(student.z.shape) != 2 or not len(student.z):
            raise ValueError("student and teacher logits must share a shape (batch, classes)")
        return student, teacher, Labels(labels, student.z.shape).rows

    def __call__(self, student_logits, teacher_logits, true_labels):
        student, teacher, rows = self.parts(student_logits, teacher_logits, true_labels)
        hard = -(rows * student.log_softmax()).sum()
        t = self.temperature
        difference = teacher.log_softmax(t) - student.log_softmax(t)
        soft = (teacher.softmax(t) * difference).sum()
        return (self.alpha * hard + (1 - self.alpha) * t**2 * soft) / len(rows)

    def gradient(self, student_logits, teacher_logits, true_labels):
        student, teacher, rows = self.parts(student_logits, teacher_logits, true_labels)
        t = self.temperature
        hard = student.softmax() - rows
        soft = t * (student.softmax(t) - teacher.softmax(t))
        return (self.alpha * hard + (1 - self.alpha) * soft) / len(rows)


class Importance:
    """Ways to rank the neurons of a layer, by name."""

    def weight_magnitude(self, w):
        return np.linalg.norm(w, ord=1, axis=0) if w.shape[1] == 1 else np.abs(w).sum(axis=0)

    def weight_variance(self, w):
        return ((w - w.mean(axis=0)) ** 2).mean(axis=0)

    def random(self, w):
        return np.random.permutation(w.shape[1]).astype(float)

    @classmethod
    def named(cls, name):
        if name not in ("weight_magnitude", "weight_variance", "random"):
            raise ValueError("use weight_magnitude, weight_variance or random")
        return getattr(cls(), name)


def compute_neuron_importance(layer, method="weight_magnitude"):
    rank = Importance.named(method)
    (layer,) = Layers(One(layer)).require_finite()
    return rank(layer.weights.data.astype(np.float64))


class Slice:
    """The part of a Dense layer that given rows and columns make."""

    def __init__(self, layer, rows=None, columns=None):
        w = layer.weights.data
        self.rows = np.arange(w.shape[0]) if rows is None else rows
        self.columns = np.arange(w.shape[1]) if columns is None else columns
        self.layer = layer

    def build(self):
        new = Dense(len(self.rows), len(self.columns), use_bias=self.layer.bias is not None)
        new.weights.data = self.layer.weights.data[np.ix_(self.rows, self.columns)]
        if self.layer.bias is not None:
            new.bias.data = self.layer.bias.data[self.columns]
        return new


def size_of(layers):
    return sum(tensor.size for layer in layers for tensor in layer.parameters())


class NeuronPruner:
    def __init__(self, keep_ratio, method):
        Range("keep_ratio", 0, 1, low_is_allowed=False).check(keep_ratio)
        Importance.named(method)
        self.keep_ratio, self.method = keep_ratio, method

    def choose(self, layer):
        importance = compute_neuron_importance(layer, self.method)
        k = max(1, int(self.keep_ratio * len(importance)))
        return np.sort(importance.argsort()[::-1][:k])

    def prune(self, layer):
        keep = self.choose(layer)
        pruned = Slice(layer, columns=keep).build()
        n, k = layer.output_size, len(keep)
        old, new = size_of([layer]), size_of([pruned])
        return pruned, {
            "keep_ratio": self.keep_ratio,
            "importance_method": self.method,
            "original_neurons": n,
            "remaining_neurons": k,
            "neurons_removed": n - k,
            "compression_ratio": n / k,
            "original_params": old,
            "new_params": new,
            "param_reduction": 1 - new / old,
            "keep_indices": keep,
        }


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    pruner = NeuronPruner(keep_ratio, importance_method)
    Layers(One(layer)).require_finite()
    return pruner.prune(layer)


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    pruner = NeuronPruner(keep_ratio, importance_method)
    items = Layers(model).require_finite().items
    infos = {i: pruner.prune(layer)[1] for i, layer in items[:-1]}
    new_layers, rows = [], None
    for i, layer in enumerate(model.layers):
        if not hasattr(layer, "weights"):
            new_layers.append(type(layer)())
            continue
        columns = infos[i]["keep_indices"] if i in infos else None
        new_layers.append(Slice(layer, rows, columns).build())
        rows = columns
    pruned = Sequential(new_layers)
    old, new = size_of(model.layers), size_of(pruned.layers)
    return pruned, {
        "original_params": old,
        "new_params": new,
        "param_reduction": (old - new) / max(old, 1),
        "compression_ratio": old / new if new else 1.0,
        "layers": list(infos.values()),
    }


class Candidate:
    """A model with what it takes to store it."""

    def __init__(self, technique, model, bits=None):
        self.technique, self.model, self.bits = technique, copy.deepcopy(model), bits
        self.factors = []

    def quantize(self):
        for layer in Layers(self.model):
            self.factors.append(quantize_layer_weights(layer, 8)[1]["memory_reduction"])
        self.bits = 8
        return self

    def size(self):
        return sum(self.layer_size(layer) for layer in Layers(self.model))

    def layer_size(self, layer):
        n, nonzero = layer.weights.size, np.count_nonzero(layer.weights.data)
        sizes = {"dense": 4 * n, "bitmask": math.ceil(n / 8) + 4 * nonzero}
        if self.bits:
            sizes["packed"] = math.ceil(n * self.bits / 8) + 8
            sizes["both"] = math.ceil(n / 8) + math.ceil(nonzero * self.bits / 8) + 8
        return min(sizes.values()) + (4 * layer.bias.size if layer.bias is not None else 0)

    def sparsity(self):
        zeros = sum(np.sum(layer.weights.data == 0) for layer in Layers(self.model))
        return zeros / sum(layer.weights.size for layer in Layers(self.model))

    def accuracy(self, inputs, labels):
        return np.mean(self.model(Tensor(inputs)).data.argmax(axis=1) == np.array(labels))


class Baseline(Candidate):
    def layer_size(self, layer):
        return 4 * size_of([layer])


def compare_compression_techniques(model, inputs=None, labels=None):
    Layers(model).require_finite()
    structured, structured_info = prune_model_neurons(model, 0.75)
    candidates = {
        "baseline": Baseline("the network as given", model),
        "magnitude_pruning": Candidate("half of the weights set to zero", model),
        "quantization": Candidate("weights in 8 bits", model).quantize(),
        "structured_pruning": Candidate("a quarter of the neurons removed", structured),
        "combined": Candidate("all three", structured),
    }
    prune_model_by_magnitude(candidates["magnitude_pruning"].model, 0.5)
    prune_model_by_magnitude(candidates["combined"].model, 0.5)
    candidates["combined"].quantize()
    original = candidates["baseline"].size()
    results = {}
    for name, candidate in candidates.items():
        size = candidate.size()
        results[name] = {
            "technique": candidate.technique,
            "parameters": size_of(candidate.model.layers),
            "size_mb": size / 2**20,
            "compression_ratio": original / size,
            "memory_reduction": 1 - size / original,
        }
        if inputs is not None and labels is not None:
            results[name]["accuracy"] = candidate.accuracy(inputs, labels)
        if name in ("magnitude_pruning", "combined"):
            results[name]["sparsity"] = candidate.sparsity()
    results["quantization"]["avg_memory_reduction_factor"] = np.mean(
        candidates["quantization"].factors
    )
    results["structured_pruning"]["param_reduction"] = structured_info["param_reduction"]
    return results
