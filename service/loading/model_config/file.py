"""The file config.pbtxt: parsed, written, and refused if it asks for what isn't supported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import text_format

from service.core.files import read_text
from service.loading.manifest import ManifestError
from soloist.data_types import BY_CONFIG_TYPE, BY_DATA_TYPE, ElementType, data_type_of
from soloist.oip import model_config_pb2 as oip

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

# The parser is slow, and takes the interpreter's lock from calls.
_MOST_BYTES = 256 * 1024
# The parser takes time with the square of their number, and holds up every call meanwhile.
_BACKSLASHES = re.compile(r"\\{33}")
CONFIG_FILE = "config.pbtxt"
MODEL_FILE = "model.onnx"
_PLATFORMS = ("", "onnxruntime_onnx")
_BACKENDS = ("", "onnxruntime")
# When and where requests run, which changes no answer. ModelConfig leaves these fields out.
_IGNORED: Final = ("optimization", "instance_group", "model_warmup", "metric_tags", "response_cache", "model_metrics")
# At the beginning of a text only: elsewhere, a long run of digits would take time with its square.
_UNKNOWN_FIELD = re.compile(
    r'(?P<line>\d{1,9}):(?P<column>\d{1,9}) : Message type "[\w.]+" has no field named "(?P<name>[^"]+)"'
)


class ConfigError(ManifestError):
    """config.pbtxt contradicts the graph, or asks for what isn't supported; the text has the cause."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{CONFIG_FILE}: {text}")


def parse(path: Path) -> oip.ModelConfig:
    """Parse a configuration, whatever it asks for. A byte order mark at its start is skipped.

    Raises:
        ManifestError: it can't be read or parsed.

    """
    try:
        text = read_text(path, most_bytes=_MOST_BYTES)
        if _BACKSLASHES.search(text):
            raise ManifestError(f"{path.name} can't be parsed: it has more than 32 backslashes in a row")
        return text_format.Parse(text, oip.ModelConfig())
    except OSError as error:
        raise ManifestError(f"{path.name}: {error.strerror}") from error
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        found = _UNKNOWN_FIELD.match(str(error))
        words = f"line {found['line']}, column {found['column']}: no such field: {found['name']!r}" if found else error
        raise ManifestError(f"{path.name} can't be parsed: {words}") from error


def read(path: Path) -> oip.ModelConfig:
    """Parse the configuration of a model to be served.

    Raises:
        ManifestError: it can't be read, or asks for what isn't supported.

    """
    config = parse(path)
    if cause := _unsupported(config):
        raise ConfigError(f"{cause}")
    _clear(config)
    return config


def text_of(config: oip.ModelConfig, comment: str = "") -> str:
    """Return the text of a file; the lines of `comment` stand above it, each after "# "."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    return head + text_format.MessageToString(config, use_short_repeated_primitives=True)


def model_filename(config: oip.ModelConfig) -> str:
    """Return the name of the model's file in each version's folder.

    Raises:
        ManifestError: it isn't the name of a file in that folder.

    """
    name = config.default_model_filename
    if name and not is_file_name(name):
        raise ConfigError(f"default_model_filename is {name!r}, which is no file in a version's folder")
    return name or MODEL_FILE


def is_file_name(name: str) -> bool:
    """Return whether a name refers to a file in its own folder."""
    return bool(name) and not name.startswith(".") and not {"/", "\\", "\0"} & set(name)


def element_type(tensor: str, config_type: oip.DataType.ValueType) -> ElementType:
    """Return the entry of the data type table for the type of one tensor.

    Raises:
        ManifestError: the server doesn't support this type, for instance strings.

    """
    name = type_name(config_type)
    if name not in BY_CONFIG_TYPE:
        raise ConfigError(f"{tensor!r} is {name}, which is not supported")
    return BY_CONFIG_TYPE[name]


def config_type_of(dtype: np.dtype[Any]) -> oip.DataType.ValueType:
    """Return the number in config.pbtxt for a numpy type. Raises KeyError for one that isn't supported."""
    return oip.DataType.Value(BY_DATA_TYPE[data_type_of(dtype)].config_type)


def type_name(config_type: oip.DataType.ValueType) -> str:
    """Return the name in config.pbtxt for a type, for instance TYPE_FP32; the number itself for an unknown one."""
    known = oip.DataType.DESCRIPTOR.values_by_number.get(config_type)
    return known.name if known else str(config_type)


def _unsupported(config: oip.ModelConfig) -> str:
    batching, sequences = config.dynamic_batching, config.sequence_batching
    causes = {
        f"platform {config.platform!r} is not supported": config.platform not in _PLATFORMS,
        f"backend {config.backend!r} is not supported": config.backend not in _BACKENDS,
        f"runtime {config.runtime!r} is not supported": config.runtime not in _BACKENDS,
        "ensemble_scheduling: ensembles are not supported": config.HasField("ensemble_scheduling"),
        "model_transaction_policy: decoupled answers are not supported": config.model_transaction_policy.decoupled,
        "iterative_sequence: iterative sequences are not supported": sequences.iterative_sequence,
        "batch_input and batch_output are not supported": bool(config.batch_input or config.batch_output),
        "model_operations: operators from libraries are not supported": bool(
            config.model_operations.op_library_filename
        ),
        "cc_model_filenames is not supported: default_model_filename names the file": bool(config.cc_model_filenames),
        "model_repository_agents are not supported": bool(config.model_repository_agents.agents),
        "preserve_ordering is not supported": batching.preserve_ordering or sequences.oldest.preserve_ordering,
        "default_queue_policy and priority_queue_policy are not supported": batching.HasField("default_queue_policy")
        or bool(batching.priority_queue_policy),
        "max_batch_size is below 0": config.max_batch_size < 0,
    }
    for tensor in config.input:
        causes[f"input {tensor.name!r}: allow_ragged_batch: ragged batches are not supported"] = (
            tensor.allow_ragged_batch
        )
    tensors: list[oip.ModelInput | oip.ModelOutput] = [*config.input, *config.output]
    for each in tensors:
        causes[f"{each.name!r}: is_shape_tensor is not supported"] = each.is_shape_tensor
        causes[f"{each.name!r}: is_non_linear_format_io is not supported"] = each.is_non_linear_format_io
    return next((cause for cause, holds in causes.items() if holds), "")


def _clear(config: oip.ModelConfig) -> None:
    for name in _IGNORED:
        config.ClearField(name)
    if config.HasField("dynamic_batching"):
        config.dynamic_batching.Clear()
    for strategy in ("direct", "oldest"):
        if config.sequence_batching.HasField(strategy):
            getattr(config.sequence_batching, strategy).Clear()
