"""Text files of a model's folder that are too long, too deep, no text, or say what can't be."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import onnx

from tests.graphs import Sums
from tests.hostile.entry import Hostile

_MIB = 2**20


def _with(file: str, content: bytes, model: Path, *, manifest: bool = True) -> None:
    """Write a good graph with one more file in the model's folder, or deeper."""
    path = Sums(name=model.name, features=2).write(model.parent)
    if not manifest:
        made = onnx.load(path)
        made.ClearField("metadata_props")
        onnx.save(made, path)
    (model / file).write_bytes(content)


def _labelled(content: bytes, times: int, model: Path) -> None:
    _with("config.pbtxt", _LABELLED, model, manifest=False)
    (model / "names.txt").write_bytes(content * times)


_STATE = b'state { input_name: "state.sum" output_name: "next.sum" data_type: TYPE_FP32 dims: [ 2 ] '
_LABELLED = (
    b'max_batch_size: 4 input { name: "frames" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
    b'output { name: "outputs" data_type: TYPE_FP32 dims: [ -1, 2 ] label_filename: "names.txt" }\n'
    b'parameters { key: "length_input" value { string_value: "length" } }\n'
    b"sequence_batching { " + _STATE + b"} }\n"
)
_TOKENS = b'parameters { key: "token_count" value { string_value: "%s" } }'
_CONSTANT = b'parameters { key: "constant.frames" value { string_value: "%s" } }'
_HUGE = _LABELLED.replace(b'dims: [ -1, 2 ] label_filename: "names.txt"', b"dims: [ -1, 9223372036854775807 ]")
_config: dict[str, tuple[bytes, str]] = {
    "config-long": (b"# " + b"x" * _MIB, "config.pbtxt: it has"),
    "config-many-fields": (b'input { name: "x" }\n' * 10_000, "config.pbtxt"),
    "config-many-values": (
        b"version_policy { specific { versions: [" + b"1," * 250_000 + b"1] } }",
        "config.pbtxt: it has",
    ),
    "config-backslashes": (b'name: "' + b"\\" * 200_000 + b'"', "backslashes"),
    "config-deep": (b"input {" * 50_000, "config.pbtxt"),
    "config-deep-unknown": (b"[" * 200_000, "config.pbtxt"),
    "config-no-text": (b'name: "\xff\xfe"', "config.pbtxt"),
    "config-escaped-no-text": (b'name: "\\377\\376"', "config.pbtxt"),
    "config-wrong-type": (b'max_batch_size: "many"', "config.pbtxt"),
    "config-out-of-range": (b"max_batch_size: 99999999999999999999", "config.pbtxt"),
    "config-digits": (b"max_batch_size: " + b"9" * 100_000, "config.pbtxt"),
    "config-nul-file": (b'default_model_filename: "model\\000.onnx"', "default_model_filename"),
    "config-elsewhere": (b'default_model_filename: "../../other/1/model.onnx"', "default_model_filename"),
    "config-negative-batch": (b"max_batch_size: -2147483648", "max_batch_size"),
    "config-huge-dims": (_HUGE, "outputs"),
    "config-deep-constant": (_CONSTANT % (b"[" * 100_000), "constant.frames isn't JSON"),
    "config-digits-constant": (_CONSTANT % (b"9" * 10_000), "constant.frames isn't JSON"),
    "config-digits-tokens": (_LABELLED + _TOKENS % (b"9" * 10_000), "token_count"),
}
# Each repeated so often: long files aren't kept in memory.
_labels: dict[str, tuple[bytes, int, str]] = {
    "names-long": (b"a\n", 9 * _MIB, "names.txt: it has"),
    "names-one-line": (b"a", 17 * _MIB, "names.txt: it has"),
    "names-no-text": (b"\xff\xfe\x00\n\x80\n", 1, "names.txt"),
    "names-few": (b"a\n", 1, "names.txt"),
}
_rollouts: dict[str, tuple[bytes, str]] = {
    "rollout-deep": (b"[" * 50_000, "labels.json"),
    "rollout-deep-labels": (b'{"labels":' * 5_000, "labels.json"),
    "rollout-long": (b'{"labels": {' + b" " * _MIB + b"}}", "labels.json: it has"),
    "rollout-digits": (b'{"shadow": ' + b"9" * 10_000 + b"}", "labels.json"),
    "rollout-infinite": (b'{"canary_percent": 1e999}', "labels.json"),
    "rollout-nan": (b'{"canary_percent": NaN}', "labels.json"),
    "rollout-no-text": (b"\x80", "labels.json"),
}
_certificates: dict[str, bytes] = {
    "certificate-deep": b"[" * 100_000,
    "certificate-deep-field": b'{"certificate":' * 40_000,
    "certificate-long": b" " * _MIB,
    "certificate-no-text": b"\xff\xfe",
    "certificate-other": b'{"model_sha256": "00"}',
    "certificate-digits": b'{"certificate": {"seed": ' + b"9" * 10_000 + b"}}",
    "certificate-list": b"[]",
}


def _certified(content: bytes, model: Path) -> None:
    _labelled(b"a\nb\n", 1, model)
    (model / "1" / "certificate.json").write_bytes(content)


TEXTS = (
    *(
        Hostile(name=name, write=partial(_with, "config.pbtxt", content, manifest=False), says=says)
        for name, (content, says) in _config.items()
    ),
    *(
        Hostile(name=name, write=partial(_labelled, content, times), says=says)
        for name, (content, times, says) in _labels.items()
    ),
    *(
        Hostile(name=name, write=partial(_with, "labels.json", content), says=says)
        for name, (content, says) in _rollouts.items()
    ),
    # An answer doesn't need its certificate: the model serves, uncertified, and the log says why.
    *(Hostile(name=name, write=partial(_certified, content)) for name, content in _certificates.items()),
)
