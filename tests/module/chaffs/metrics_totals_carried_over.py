"""Totals are kept in the class, so a second model is added to the first."""

GROUP = "test_compression_metrics_comprehensive"


class CompressionMetrics:
    total_weights = 0
    total_bias = 0

    def count_parameters(self, model):
        counts = {}
        for i, layer in enumerate(model.layers):
            if not isinstance(layer, Dense):
                continue
            counts[f"layer_{i}_weights"] = layer.weights.size
            CompressionMetrics.total_weights += layer.weights.size
            if layer.bias is not None:
                counts[f"layer_{i}_bias"] = layer.bias.size
                CompressionMetrics.total_bias += layer.bias.size
        counts["total_weights"] = self.total_weights
        counts["total_bias"] = self.total_bias
        counts["total_parameters"] = self.total_weights + self.total_bias
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
