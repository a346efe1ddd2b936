"""The certificate check: where the certificate of a version is, and whether it holds here."""

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


class StoredCertificateError(Exception):
    """The file can't be read, or isn't of this model; the text says why."""


def read(path: Path, sha256: str, model: Model) -> Certificate | None:
    """Read the certificate beside the model file `path`, which is served as `model`; None where there is none.

    `sha256` is that of the model file as it was loaded, as `write` was given it.

    Raises:
        StoredCertificateError: it can't be read, or was made of another file or of one that was run otherwise.

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
    """Write a certificate beside the model file `path` and return its path; a reader sees all of it or nothing.

    `sha256` is that of the model file, weights beside it included.

    Raises:
        OSError: it can't be written.

    """
    stored = StoredCertificate(
        model_sha256=sha256, signature=model.signature, causal=model.causal, certificate=certificate
    )
    text = json_format.MessageToJson(stored, preserving_proto_field_name=True) + "\n"
    write_atomically(path.with_name(FILE), text.encode())
    return path.with_name(FILE)


UNCERTIFIED = "uncertified"
_WORDS = {pb.VERDICT_BITWISE: "bitwise", pb.VERDICT_ULP: "ulp", pb.VERDICT_NONE: "none"}


def renew(graph: Graph, model: Model, seconds: float) -> None:
    """Prove again what was proved elsewhere: bits depend on the processor and the runtime."""
    if model.HasField("certificate") and model.certificate.fingerprint != fingerprint_here():
        model.certificate.CopyFrom(certify(graph, model, Budget(seconds=seconds)))


def take_stored(path: Path, sha256: str, graph: Graph, model: Model, seconds: float) -> str:
    """Put the certificate beside a third-party model's file into its manifest, renewed where need be.

    `sha256` is that of the file as it was loaded. Returns why a certificate that is there doesn't count; else nothing.
    """
    try:
        found = read(path, sha256, model)
        if found is not None:
            model.certificate.CopyFrom(found)
            renew(graph, model, seconds)
    except StoredCertificateError as error:
        return str(error)
    except Exception as error:  # ONNX Runtime's own kinds are many and share no base
        model.ClearField("certificate")
        return f"it can't be proved here: {message_of(error)}"
    return ""


def holds(model: Model, *dimensions: pb.Dimension.ValueType) -> bool:
    """Return whether answers are proved bitwise, whatever callers may send: inputs they may leave out weren't tried."""
    return is_bitwise(model.certificate, *dimensions) and not any(each.optional for each in model.signature.inputs)


def word(model: Model) -> str:
    """Return the worst verdict, in a word."""
    verdicts = [verdict.verdict for verdict in model.certificate.verdicts]
    return _WORDS.get(max(verdicts), UNCERTIFIED) if verdicts else UNCERTIFIED
