"""Counting counts a layer's input size down to 0."""

GROUP = [
    "test_compression_metrics_comprehensive-counts",
    "test_compression_metrics_comprehensive-whole_model",
]


class CompressionMetrics:
    def count_parameters(self, model):
        counts = {}
        total_weights = total_bias = 0
        for i, layer in enumerate(model.layers):
            if not isinstance(layer, Dense):
                continue
            counts[f"layer_{i}_weights"] = layer.weights.size
            total_weights += layer.weights.size
            layer.input_size = 0
            if layer.bias is not None:
                counts[f"layer_{i}_bias"] = layer.bias.size
                total_bias += layer.bias.size
        counts["total_weights"] = total_weights
        counts["total_bias"] = total_bias
        counts["total_parameters"] = total_weights + total_bias
        return counts

    def calculate_model_size(self, model, dtype="float32"):
        widths = {"float32": 4, "float16": 2, "int8": 1, "int4": 0.5}
        if dtype not in widths:
            raise ValueError(f"dtype must be one of {list(widths)}")
        total = self.count_parameters(model)["total_parameters"]
        size = math.ceil(total * widths[dtype])
        return {
            "total_parameters": total,
            "bytes_per_parameter": widths[dtype],
            "total_bytes": size,
            "size_kb": size / 1024,
            "size_mb": size / 1024**2,
            "dtype": dtype,
        }
