"""Right but careless: prints, warnings, the global random state, global variables, odd names."""

print("compression module loaded")
np.random.seed(1234)
DEBUG = True
history = []
last_info = None


def log(*args):
    history.append(args)
    if DEBUG:
        print("DEBUG:", *args)


class CompressionMetrics(object):
    total = 0

    def count_parameters(self, model):
        self.d = {}
        self.w = self.b = 0
        for i in range(0, len(model.layers)):
            l = model.layers[i]
            try:
                self.d["layer_%s_weights" % i] = l.weights.data.size
                self.w = self.w + l.weights.data.size
                self.d["layer_%s_bias" % i] = l.bias.data.size
                self.b = self.b + l.bias.data.size
            except AttributeError:
                log("no weights or no bias in", l)
        self.d["total_weights"] = self.w
        self.d["total_bias"] = self.b
        CompressionMetrics.total = self.w + self.b
        self.d["total_parameters"] = CompressionMetrics.total
        self.d["model"] = str(model)
        return self.d

    def calculate_model_size(self, model, dtype="float32"):
        b = None
        if dtype == "float32": b = 4
        if dtype == "float16": b = 2
        if dtype == "int8": b = 1
        if dtype == "int4": b = 0.5
        if b == None:
            print("bad dtype!!", dtype)
            raise ValueError("dtype must be float32 or float16 or int8 or int4, not " + str(dtype))
        self.count_parameters(model)
        bytes = int(CompressionMetrics.total * b + 0.5)
        r = {"total_parameters": CompressionMetrics.total, "bytes_per_parameter": b}
        r["total_bytes"] = bytes
        r["size_kb"] = bytes / 1024
        r["size_mb"] = r["size_kb"] / 1024
        r["dtype"] = dtype
        log(r)
        return r


def bad(x):
    """True if something in there is nan or inf, found by computing with it (this warns)."""
    y = x - x
    return (y != 0).any()


def safe_divide(a, b):
    with_warning = np.array(a, dtype=float) / np.array(b, dtype=float)
    return with_warning


def calculate_sparsity(layer):
    global last_info
    last_info = 0
    if "weights" not in dir(layer):
        return last_info * 1.0
    for w in layer.weights.data.flatten():
        if w == 0: last_info += 1
    return last_info / layer.weights.data.size


def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    global last_info
    if not (pruning_ratio >= 0 and pruning_ratio <= 1):
        raise ValueError("pruning_ratio has to be between 0 and 1")
    if bad(layer.weights.data):
        raise ValueError("weights have to be finite")
    a = layer.weights.data.reshape(-1)
    n = len(a)
    k = round(pruning_ratio * n)
    noise = np.random.permutation(n)
    order = sorted(range(n), key=lambda i: (abs(a[i]), noise[i]))
    t = 0
    r = 0
    for i in order[0:k]:
        if a[i] != 0:
            r = r + 1
        t = abs(a[i])
        layer.weights.data[i // layer.weights.data.shape[1]][i % layer.weights.data.shape[1]] = 0
    left = len(np.where(layer.weights.data != 0)[0])
    log("threshold", t, "removed", r)
    last_info = {
        "pruning_ratio": pruning_ratio,
        "threshold": t,
        "total_weights": n,
        "weights_removed": r,
        "remaining_weights": left,
        "sparsity": 1 - safe_divide(left, n),
        "compression_ratio": safe_divide(n, left),
    }
    return layer, last_info


def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    if not (pruning_ratio >= 0 and pruning_ratio <= 1):
        raise ValueError("pruning_ratio has to be between 0 and 1")
    if scope != "global" and scope != "layer":
        raise ValueError("scope has to be global or layer")
    ls = []
    for l in model.layers:
        if str(l).startswith("Dense"):
            if bad(l.weights.data):
                raise ValueError("weights have to be finite")
            ls.append(l)
    if scope == "layer":
        t = 0
        r = 0
        for l in ls:
            inf = prune_weights_by_magnitude(l, pruning_ratio)[1]
            r = r + inf["weights_removed"]
            if inf["threshold"] > t:
                t = inf["threshold"]
    else:
        big = np.zeros((1, 0))
        for l in ls:
            big = np.append(big, l.weights.data.reshape(1, -1), axis=1)
        if big.size > 0:
            helper = Dense(1, big.shape[1])
            helper.weights = big
            inf = prune_weights_by_magnitude(helper, pruning_ratio)[1]
            t = inf["threshold"]
            r = inf["weights_removed"]
            s = 0
            for l in ls:
                a, b = l.weights.data.shape
                l.weights = helper.weights.data[0, s:s + a * b].reshape(a, b)
                s = s + a * b
        else:
            t = 0
            r = 0
    n = sum([l.weights.data.size for l in ls])
    left = sum([int((l.weights.data != 0).sum()) for l in ls])
    info = {"pruning_ratio": pruning_ratio, "scope": scope, "threshold": t, "total_weights": n}
    info["weights_removed"] = r
    info["remaining_weights"] = left
    info["sparsity"] = 1 - left / n if n > 0 else 0.0
    info["compression_ratio"] = n / left if left > 0 else float("inf")
    info["layers"] = []
    for i in range(len(model.layers)):
        if model.layers[i] in ls:
            l = model.layers[i]
            info["layers"].append({
                "index": i,
                "sparsity": calculate_sparsity(l),
                "remaining_weights": int((l.weights.data != 0).sum()),
                "total_weights": l.weights.data.size,
            })
    return model, info


def quantize_layer_weights(layer, bits=8):
    print("quantizing to", bits, "bits")
    return quantize_any(layer, bits, False)


def quantize_layer_weights_per_channel(layer, bits=8):
    print("quantizing to", bits, "bits per channel")
    return quantize_any(layer, bits, True)


def quantize_any(layer, bits, per_channel):
    if not str(type(bits)) in ["<class 'int'>", "<class 'numpy.int32'>", "<class 'numpy.int64'>"]:
        raise ValueError("bits has to be an integer")
    bits = int(bits)
    if bits < (2 if per_channel else 1) or bits > 16:
        raise ValueError("bits has to be from %d to 16" % (2 if per_channel else 1))
    if bad(layer.weights.data):
        raise ValueError("weights have to be finite")
    old = layer.weights.data + 0.0
    w = old.astype(float)
    if per_channel:
        lo = -(2 ** (bits - 1) - 1)
        hi = -lo
        step = abs(w).max(0) / hi
        q = w / step
        q[np.isnan(q)] = 0
        z = 0
        step[step == 0] = 1
    else:
        lo = 0
        hi = 2 ** bits - 1
        step = (max(0, w.max()) - min(0, w.min())) / hi
        z = np.float64(-min(0, w.min())) / np.float64(step)
        q = w / step
        q[np.isnan(q)] = 0
        if np.isnan(z):
            z = 0
            step = 1.0
        z = int(round(z))
    q = np.round(q) + z
    q = np.minimum(np.maximum(q, lo), hi)
    layer.weights.data = (q - z) * step
    u = "" if per_channel else "u"
    q = q.astype("%sint%d" % (u, 8 if bits <= 8 else 16))
    e = layer.weights.data - w
    info = dict(bits=bits, scale=step, zero_point=z, min_val=old.min(), max_val=old.max())
    info["quantized_weights"] = q
    info["total_weights"] = q.size
    info["original_bytes"] = old.nbytes
    info["quantized_bytes"] = int(np.ceil(q.size * bits / 8.0))
    info["memory_reduction"] = 32 / bits
    info["mse_error"] = (e ** 2).mean()
    info["max_error"] = abs(e).max()
    info["original_dtype"] = old.dtype.name
    info["snr"] = 10 * np.log10((w ** 2).sum() / (e ** 2).sum())
    log(info)
    return layer, info


class DistillationLoss:
    temperature = 3.0
    alpha = 0.5

    def __init__(self, temperature=3.0, alpha=0.5):
        log("temperature", temperature, "alpha", alpha)
        if (alpha >= 0 and alpha <= 1) == False:
            raise ValueError("alpha has to be between 0 and 1")
        if not temperature > 0 or temperature == float("inf"):
            raise ValueError("temperature has to be more than 0 and not infinite")
        self.temperature, self.alpha = temperature, alpha
        self.calls = 0

    def _softmax(self, logits):
        return np.exp(self.ls(np.asarray(logits) * 1.0))

    def ls(self, z):
        z = z - np.max(z, 1).reshape(-1, 1)
        e = np.exp(z)
        p = e / e.sum(1).reshape(-1, 1)
        l = np.log(p)
        l[np.isinf(l)] = z[np.isinf(l)]
        l = np.where(p < 0.5, z - np.log(e.sum(1).reshape(-1, 1)), l)
        return l

    def _cross_entropy_loss(self, logits, labels):
        z = np.asarray(logits) * 1.0
        y = self.hot(labels, z)
        return float((-y * self.ls(z)).sum() / len(z))

    def hot(self, labels, z):
        y = np.asarray(labels)
        print("labels:", y.shape, y.dtype)
        if y.shape != z.shape:
            if y.shape != (len(z),):
                raise ValueError("labels do not fit the logits")
            new = np.zeros(z.shape)
            for i in range(len(y)):
                for c in range(z.shape[1]):
                    if y[i] == c:
                        new[i][c] = 1
            y = new
        for row in y.tolist():
            if sorted(row) != [0] * (z.shape[1] - 1) + [1]:
                raise ValueError("every label has to be one of the classes")
        return y

    def both(self, a, b, labels):
        self.calls += 1
        a = np.array(a, dtype=np.float64)
        b = np.array(b, dtype=np.float64)
        if a.shape != b.shape or a.ndim != 2 or len(a) < 1:
            raise ValueError("logits have to be of the same shape and not empty")
        return a, b, self.hot(labels, a)

    def __call__(self, student_logits, teacher_logits, true_labels):
        a, b, y = self.both(student_logits, teacher_logits, true_labels)
        hard = 0
        soft = 0
        lp = self.ls(b / self.temperature)
        lq = self.ls(a / self.temperature)
        for i in range(len(a)):
            hard += -(y[i] * self.ls(a)[i]).sum() / len(a)
            soft += (np.exp(lp[i]) * (lp[i] - lq[i])).sum() / len(a)
        log("hard", hard, "soft", soft)
        return self.alpha * hard + (1 - self.alpha) * self.temperature ** 2 * soft

    def gradient(self, student_logits, teacher_logits, true_labels):
        a, b, y = self.both(student_logits, teacher_logits, true_labels)
        g = self.alpha * (self._softmax(a) - y)
        h = self._softmax(a / self.temperature) - self._softmax(b / self.temperature)
        g += (1 - self.alpha) * self.temperature * h
        g /= len(a)
        print(g)
        return g


def compute_neuron_importance(layer, method="weight_magnitude"):
    if bad(layer.weights.data):
        raise ValueError("weights have to be finite")
    out = []
    for j in range(layer.weights.data.shape[1]):
        c = layer.weights.data[:, j].astype(float)
        if method == "weight_magnitude":
            out.append(abs(c).sum())
        elif method == "weight_variance":
            out.append(((c - c.mean()) ** 2).mean())
        elif method == "random":
            out.append(np.random.rand())
        else:
            raise ValueError("method has to be weight_magnitude, weight_variance or random")
    return np.array(out)


def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not (keep_ratio > 0 and keep_ratio <= 1):
        raise ValueError("keep_ratio has to be more than 0 and at most 1")
    imp = list(compute_neuron_importance(layer, importance_method))
    print("importance:", imp)
    n = len(imp)
    k = int(keep_ratio * n)
    if k == 0: k = 1
    alive = [True] * n
    for _ in range(n - k):
        worst = None
        for j in range(n):
            if alive[j] and (worst is None or imp[j] < imp[worst]):
                worst = j
        alive[worst] = False
    keep = [j for j in range(n) if alive[j]]
    new = Dense(layer.weights.data.shape[0], k)
    new.weights.data = layer.weights.data[:, keep]
    try:
        new.bias.data = layer.bias.data[keep]
    except AttributeError:
        new.bias = None
    p = layer.weights.data.size
    p2 = new.weights.data.size
    if layer.bias != None:
        p += n
        p2 += k
    info = {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": n,
        "remaining_neurons": k,
        "neurons_removed": n - k,
        "compression_ratio": n / k,
        "original_params": p,
        "new_params": p2,
        "param_reduction": 1 - p2 / p,
        "keep_indices": keep,
        "importance": imp,
    }
    log(info)
    return new, info


def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    if not (keep_ratio > 0 and keep_ratio <= 1):
        raise ValueError("keep_ratio has to be more than 0 and at most 1")
    idx = [i for i in range(len(model.layers)) if str(model.layers[i]).startswith("Dense")]
    for i in idx:
        compute_neuron_importance(model.layers[i], importance_method)
    new = Sequential(copy.deepcopy(model.layers))
    infos = []
    for i in idx[:-1]:
        temporary, inf = prune_layer_neurons(model.layers[i], keep_ratio, importance_method)
        infos.append(inf)
        keep = inf["keep_indices"]
        small = Dense(new.layers[i].weights.data.shape[0], len(keep))
        small.weights = new.layers[i].weights.data[:, keep]
        small.bias = temporary.bias
        new.layers[i] = small
        nxt = idx[idx.index(i) + 1]
        cut = Dense(len(keep), model.layers[nxt].weights.data.shape[1])
        cut.weights = model.layers[nxt].weights.data[keep]
        cut.bias = model.layers[nxt].bias
        new.layers[nxt] = cut
    m = CompressionMetrics()
    a = m.count_parameters(model)["total_parameters"]
    b = m.count_parameters(new)["total_parameters"]
    info = {"original_params": a, "new_params": b, "layers": infos}
    info["compression_ratio"] = float(safe_divide(a, b))
    info["param_reduction"] = float(1 - safe_divide(b, a))
    return new, info


def size(model, bits=None):
    s = 0
    for l in model.layers:
        if str(l).startswith("Dense"):
            n = l.weights.data.size
            z = int((l.weights.data != 0).sum())
            best = min(4 * n, math.ceil(n / 8) + 4 * z)
            if bits != None:
                best = min(best, math.ceil(n * bits / 8) + 8)
                best = min(best, math.ceil(n / 8) + math.ceil(z * bits / 8) + 8)
            s += best
            if l.bias != None: s += 4 * l.bias.data.size
    return s


def compare_compression_techniques(model, inputs=None, labels=None):
    r = {}
    base = CompressionMetrics().calculate_model_size(model)["total_bytes"]
    names = "baseline magnitude_pruning quantization structured_pruning combined".split()
    for name in names:
        m = copy.deepcopy(model)
        s = base
        extra = {}
        if name == "structured_pruning" or name == "combined":
            m, inf = prune_model_neurons(m, 0.75)
            s = size(m)
            extra["param_reduction"] = inf["param_reduction"]
        if name == "magnitude_pruning" or name == "combined":
            m, inf = prune_model_by_magnitude(m, 0.5)
            s = size(m)
        if name == "quantization" or name == "combined":
            f = []
            for l in m.layers:
                if str(l).startswith("Dense"):
                    f.append(quantize_layer_weights(l, 8)[1]["memory_reduction"])
            s = size(m, 8)
            extra["avg_memory_reduction_factor"] = np.mean(f)
        zero = [(l.weights.data == 0).reshape(-1) for l in m.layers if "weights" in dir(l)]
        extra["sparsity"] = np.mean(np.concatenate(zero))
        extra["technique"] = name.upper()
        extra["parameters"] = CompressionMetrics().count_parameters(m)["total_parameters"]
        extra["size_mb"] = s / 1024 / 1024
        extra["compression_ratio"] = safe_divide(base, s)
        extra["memory_reduction"] = 1 - s / base
        if inputs is not None and labels is not None:
            good = 0
            for x, y in zip(inputs, labels):
                out = m(Tensor(np.array(x).reshape(1, -1))).data[0]
                if list(out).index(max(out)) == y:
                    good += 1
            extra["accuracy"] = good / len(labels)
            log(name, extra["accuracy"])
        r[name] = extra
    print(r)
    return r
