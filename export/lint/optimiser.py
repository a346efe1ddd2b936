"""The graph as it runs: what ONNX Runtime makes of a model with all optimisations, on this machine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from service.engine.onnx_runtime import ort

_EXTERNAL_BYTES = "1024"  # larger weights aren't written into the graph, so that a big model stays quick to read


def optimised(model: onnx.ModelProto, path: Path | None) -> tuple[onnx.ModelProto, str]:
    """Return the optimised graph and "", or the model itself and why the runtime doesn't load it.

    `path` is the file that the model was read from, if any: weights beside it are found there.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", _EXTERNAL_BYTES)
    with TemporaryDirectory(prefix="soloist-lint-") as folder:
        target = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(target)
        try:
            source = str(path) if path else _stored(model, Path(folder))
            # Its second try after a failure would only print to stdout.
            cpu = ["CPUExecutionProvider"]
            ort.InferenceSession(source, options, providers=cpu, enable_fallback=0)
            return onnx.load_model(target, load_external_data=False), ""
        except Exception as error:
            return model, str(error).strip().partition("\n")[0]


def _stored(model: onnx.ModelProto, folder: Path) -> str:
    """Write a model in memory to a file, in which it may be larger than 2 GB."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    place = folder / "model.onnx"
    onnx.save_model(copy, place, save_as_external_data=True, location="model.bin", size_threshold=1 << 20)
    return str(place)
