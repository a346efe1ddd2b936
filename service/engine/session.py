"""The sessions of ONNX Runtime, with options that keep results bit-identical. A certificate names these options."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.engine.cancel_scope import run_endable
from service.engine.model_file import ModelFile, ModelFileError, ModelLimits, read_file, read_model_file
from service.engine.onnx_runtime import ort
from service.engine.outline import check_outline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# Threads inside an operator split sums. Level ALL and prepacking give every row of a matrix product the same kernel.
SESSION_OPTIONS = {
    "execution_mode": "sequential",
    "graph_optimization_level": "all",
    "inter_op_num_threads": "1",
    "intra_op_num_threads": "1",
}
# A file that begins like ONNX Runtime's own format is none of ONNX: that other format is read with less care.
_FORMAT = ("session.load_model_format", "ONNX")
CONFIG_ENTRIES = {
    "session.disable_prepacking": "0",
    "session.intra_op.allow_spinning": "0",
    # On Arm this path uses a different kernel for one row than for many.
    "mlas.disable_kleidiai": "1",
}
# Errors are raised with the same text, and a caller whose frames a graph refuses must not fill the log.
_FATAL_ONLY = 4
# A run of more padded frames than this frees its memory: the arena would keep that of its largest run for ever.
_LARGE_RUN_FRAMES = 16_384


def numerics_options() -> list[str]:
    """Return every option that affects numerics as "name=value", sorted."""
    return sorted(f"{name}={value}" for name, value in {**SESSION_OPTIONS, **CONFIG_ENTRIES}.items())


def open_session(
    source: Path | bytes | ModelFile,
    limits: ModelLimits = ModelLimits(),  # noqa: B008  # it is frozen
) -> ort.InferenceSession:
    """Load a model from its file, which may have external weights, or from the file's bytes, which may not.

    Raises:
        ModelFileError: it is missing, truncated or larger than the limits, or this runtime can't load it.

    """
    file = _model_file(source, limits)
    check_outline(file, limits.max_nodes)
    options = session_options()
    # With a table of files ONNX Runtime maps none from disk, and refuses those that aren't in it. So it is always used.
    table = {file.name: b"", **file.weights}
    options.add_external_initializers_from_files_in_memory(
        list(table), list(table.values()), [len(content) for content in table.values()]
    )
    # By path, since the package keeps bytes as long as the session.
    where = str(file.path) if file.path is not None else ""
    try:
        session = ort.InferenceSession(where or file.content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has many error classes, which share no base
        # Callers see this text too, and it must not reveal the folder.
        secret = f"{file.path.parent}/" if file.path is not None else ""
        raise ModelFileError(_first_line(error).replace(secret, "")) from error
    file.refuse_changed()
    return session


def read_companion(path: Path, sha256: str, limits: ModelLimits) -> bytes:
    """Read a companion file of a model, whose SHA-256 is in the manifest.

    Raises:
        ModelFileError: it is missing, or its SHA-256 differs.

    """
    content = read_file(path, most_bytes=limits.max_bytes)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelFileError(f"{path.name} isn't the one that belongs to this model: its SHA-256 differs")
    return content


def _model_file(source: Path | bytes | ModelFile, limits: ModelLimits) -> ModelFile:
    match source:
        case Path():
            return read_model_file(source, limits)
        case bytes():
            return ModelFile(name="model", content=source)
        case _:
            return source


def session_options() -> ort.SessionOptions:
    """Return the options of every session."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(SESSION_OPTIONS["intra_op_num_threads"])
    options.inter_op_num_threads = int(SESSION_OPTIONS["inter_op_num_threads"])
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _FATAL_ONLY
    options.add_session_config_entry(*_FORMAT)
    for name, value in CONFIG_ENTRIES.items():
        options.add_session_config_entry(name, value)
    return options


def run_graph(
    session: ort.InferenceSession, wanted: Sequence[str], feed: Mapping[str, NDArray[Any]], frames: NDArray[Any]
) -> list[NDArray[Any]]:
    """Run a graph on `feed`, of which `frames` [B, T, …] is the largest part, and return the outputs `wanted`.

    Raises:
        ServiceError: the run was ended (service.engine.cancel_scope).

    """
    options = ort.RunOptions()
    if frames.shape[0] * frames.shape[1] > _LARGE_RUN_FRAMES:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    results: list[NDArray[Any]] = run_endable(options, partial(session.run, wanted, feed, options))
    return results


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
