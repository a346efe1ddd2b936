"""The certificate check: the certificate of a version, and whether it holds on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import json_format

from service.certificate import Budget, certify, fingerprint_here, is_bitwise
from service.certificate.scope import why_unproved
from service.core.files import read_text
from service.engine.runtime_errors import message_of
from soloist.files import write_atomically
from soloist.v1 import certificate_pb2 as pb
from soloist.v1.stored_certificate_pb2 import StoredCertificate

if TYPE_CHECKING:
    from pathlib import Path

    from service.engine.graph import Graph
    from soloist.v1.certificate_pb2 import Certificate
    from soloist.v1.model_pb2 import Model

FILE = "certificate.json"

UNCERTIFIED = "uncertified"
_WORDS = {pb.VERDICT_BITWISE: "bitwise", pb.VERDICT_ULP: "ulp", pb.VERDICT_NONE: "none"}


class StoredCertificateError(Exception):
    """The file can't be read, or belongs to another model; the text has the cause."""


def read(path: Path, sha256: str, model: Model) -> Certificate | None:
    """Read the certificate next to the model file `path`, which is served as `model`; None if there is none.

    `sha256` is that of the model file as it was loaded, as given to `write`.

    Raises:
        StoredCertificateError: it can't be read, or belongs to another file or to another way of running it.

    """
    try:
        text = read_text(path.with_name(FILE))
        stored = json_format.Parse(text, StoredCertificate(), ignore_unknown_fields=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoredCertificateError(f"{FILE}: {error.strerror}") from error
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise StoredCertificateError(f"{FILE} can't be parsed: {error}") from error
    if stored.model_sha256 != sha256:
        raise StoredCertificateError(f"{FILE} is of another model.onnx, or of other weights: the SHA-256 differs")
    if stored.signature != model.signature or stored.causal != model.causal:
        raise StoredCertificateError(f"{FILE} is of this model.onnx with another configuration")
    if cause := why_unproved(model):
        raise StoredCertificateError(f"{FILE} can't be true: {cause}")
    return stored.certificate


def write(path: Path, sha256: str, model: Model, certificate: Certificate) -> Path:
    """Write a certificate next to the model file `path` and return its path; a reader sees all of it or nothing.

    `sha256` is that of the model file, external weights included.

    Raises:
        OSError: it can't be written.

    """
    stored = StoredCertificate(
        model_sha256=sha256, signature=model.signature, causal=model.causal, certificate=certificate
    )
    text = json_format.MessageToJson(stored, preserving_proto_field_name=True) + "\n"
    write_atomically(path.with_name(FILE), text.encode())
    return path.with_name(FILE)


def renew(graph: Graph, model: Model, seconds: float) -> None:
    """Certify a model again if it was certified on another machine: bits depend on processor and runtime."""
    if model.HasField("certificate") and model.certificate.fingerprint != fingerprint_here():
        model.certificate.CopyFrom(certify(graph, model, Budget(seconds=seconds)))


def take_stored(path: Path, sha256: str, graph: Graph, model: Model, seconds: float) -> str:
    """Put the certificate next to a third-party model's file into its manifest, renewed if needed.

    `sha256` is that of the file as it was loaded. Returns why an existing certificate doesn't count, or "".
    """
    try:
        found = read(path, sha256, model)
        if found is not None:
            model.certificate.CopyFrom(found)
            renew(graph, model, seconds)
    except StoredCertificateError as error:
        return str(error)
    except Exception as error:  # ONNX Runtime has many error classes, which share no base
        model.ClearField("certificate")
        return f"it can't be certified here: {message_of(error)}"
    return ""


def holds(model: Model, *dimensions: pb.Dimension.ValueType) -> bool:
    """Return whether answers are certified bitwise for all input; models with optional inputs never are."""
    return is_bitwise(model.certificate, *dimensions) and not any(each.optional for each in model.signature.inputs)


def word(model: Model) -> str:
    """Return the worst verdict as one word."""
    verdicts = [verdict.verdict for verdict in model.certificate.verdicts]
    return _WORDS.get(max(verdicts), UNCERTIFIED) if verdicts else UNCERTIFIED
