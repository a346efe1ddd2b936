"""The manifest: everything that is known of a model when it is exported, as a soloist.v1.Model."""

from __future__ import annotations

from importlib.metadata import version as installed

from google.protobuf.json_format import MessageToJson

from export.graph import OPSET
from export.norm_layers import norm_layers
from export.signature import signature
from models.config import config_to_json
from models.training import Checkpoint
from service.loading.manifest import METADATA_KEY
from soloist.v1.model_pb2 import Accuracy, Model, Parity, Provenance, Recalibration, Training

# Normalisers that stand for a mistake, or for what cannot be streamed or batched.
_CONTROLS = frozenset({"batch_naive", "batch_current", "instance", "group"})
__all__ = ["METADATA_KEY", "is_control", "manifest", "to_json"]
_TOOLS = ("soloist", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")


def manifest(
    checkpoint: Checkpoint,
    folded: frozenset[str],
    parity: Parity,
    accuracy: Accuracy,
    *,
    name: str,
    version: int,
    checkpoint_sha256: str = "",
) -> Model:
    """Put a model's manifest together but for its certificate.

    `checkpoint_sha256` is that of the checkpoint as it was trained, when it is served with another normaliser.
    """
    model = checkpoint.model()
    return Model(
        name=name,
        version=version,
        task=checkpoint.task.name,
        architecture=checkpoint.architecture,
        norm=checkpoint.config.norm,
        causal=model.causal,
        control=is_control(checkpoint.config.norm),
        signature=signature(model),
        labels=checkpoint.task.labels,
        max_frames=0,  # no architecture of the zoo has a longest sequence
        norm_layers=norm_layers(checkpoint, folded),
        training=_training(checkpoint, sum(parameter.numel() for parameter in model.parameters())),
        accuracy=accuracy,
        parity=parity,
        provenance=Provenance(
            checkpoint_sha256=checkpoint_sha256 or checkpoint.digest,
            data_sha256=checkpoint.data_sha256,
            opset=OPSET,
            tools=[f"{tool} {installed(tool)}" for tool in _TOOLS],
            recalibration=_recalibration(checkpoint),
        ),
        precision="float32",
    )


def _recalibration(checkpoint: Checkpoint) -> Recalibration | None:
    done = checkpoint.recalibration
    if done is None:
        return None
    return Recalibration(
        origin_checkpoint_sha256=done.origin_sha256,
        sequences=done.sequences,
        frames=done.frames,
        pseudo_count=done.pseudo_count,
    )


def _training(checkpoint: Checkpoint, parameters: int) -> Training:
    return Training(
        seed=checkpoint.seed,
        epochs=checkpoint.epochs,
        best_epoch=checkpoint.best_epoch,
        sequences=checkpoint.sequences,
        min_frames=checkpoint.min_frames,
        max_frames=checkpoint.max_frames,
        parameters=parameters,
        validation_accuracy=checkpoint.validation_accuracy,
        config_json=config_to_json(checkpoint.config),
    )


def is_control(norm: str) -> bool:
    """Return whether a normaliser is there to fail in a known way."""
    return norm in _CONTROLS


def to_json(model: Model) -> str:
    """Return the manifest as it stands in a file's metadata."""
    return MessageToJson(model, indent=None)
