"""What is proved of a version that is being loaded: where its certificate is, and whether it holds here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.certificate import Budget, certify, fingerprint_here, is_bitwise, stored
from service.engine.refusal import in_words
from soloist.v1 import certificate_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

    from service.engine.graph import Graph
    from soloist.v1.model_pb2 import Model

UNCERTIFIED = "uncertified"
_WORDS = {pb.VERDICT_BITWISE: "bitwise", pb.VERDICT_ULP: "ulp", pb.VERDICT_NONE: "none"}


def renew(graph: Graph, model: Model, seconds: float) -> None:
    """Prove again what was proved elsewhere: bits depend on the processor and the runtime."""
    if model.HasField("certificate") and model.certificate.fingerprint != fingerprint_here():
        model.certificate.CopyFrom(certify(graph, model, Budget(seconds=seconds)))


def take_stored(path: Path, sha256: str, graph: Graph, model: Model, seconds: float) -> str:
    """Give a model made elsewhere the certificate beside its file, renewed where need be; `sha256` is what was loaded.

    Returns why there is none, where one was laid; nobody needs it to be answered.
    """
    try:
        found = stored.read(path, sha256, model)
        if found is not None:
            model.certificate.CopyFrom(found)
            renew(graph, model, seconds)
    except stored.StoredCertificateError as error:
        return str(error)
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        model.ClearField("certificate")
        return f"it can't be proved here: {in_words(error)}"
    return ""


def holds(model: Model, *dimensions: pb.Dimension.ValueType) -> bool:
    """Tell whether answers are proved bitwise, whatever callers may send: what they may leave out wasn't tried."""
    return is_bitwise(model.certificate, *dimensions) and not any(each.optional for each in model.signature.inputs)


def word(model: Model) -> str:
    """Say the worst verdict."""
    verdicts = [verdict.verdict for verdict in model.certificate.verdicts]
    return _WORDS.get(max(verdicts), UNCERTIFIED) if verdicts else UNCERTIFIED
