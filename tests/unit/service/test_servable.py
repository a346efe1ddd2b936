"""What a loaded model may do follows from its certificate, and a certificate holds for one machine and runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.certificate import fingerprint_here, is_bitwise
from service.loading.servable import LoadPolicy, Servable, load_servable
from soloist.v1 import certificate_pb2 as pb
from tests.graphs import Sums

# Sums adds what came before at the end, so its bits depend on the cut, and on nothing else.
SUMS = Sums(name="sums", features=3)
EVERYTHING = (pb.DIMENSION_BATCH, pb.DIMENSION_PADDING, pb.DIMENSION_CHUNKING)


def loaded(
    folder: Path, certificate: pb.Certificate | None, *, batch_uncertified: bool = False, seconds: float = 60
) -> Servable:
    manifest = SUMS.manifest
    if certificate is not None:
        manifest.certificate.CopyFrom(certificate)
    policy = LoadPolicy(batch_uncertified=batch_uncertified, certify_seconds=seconds)
    return load_servable(SUMS.write(folder, manifest=manifest), policy, name="sums", version=1)


def claimed(fingerprint: pb.Fingerprint) -> pb.Certificate:
    verdicts = [pb.DimensionVerdict(dimension=each, verdict=pb.VERDICT_BITWISE) for each in EVERYTHING]
    return pb.Certificate(fingerprint=fingerprint, verdicts=verdicts, seed=99)


def test_a_certificate_of_this_machine_is_believed(tmp_path: Path) -> None:
    servable = loaded(tmp_path, claimed(fingerprint_here()))
    assert servable.manifest.certificate.seed == 99
    assert (servable.certificate, servable.batched, servable.sliced) == ("bitwise", True, True)


def test_one_of_another_machine_is_proved_again_before_the_model_is_ready(tmp_path: Path) -> None:
    elsewhere = fingerprint_here()
    elsewhere.cpu_model = "another processor"
    servable = loaded(tmp_path, claimed(elsewhere), seconds=1)
    proof = servable.manifest.certificate
    assert proof.fingerprint == fingerprint_here()
    assert is_bitwise(proof, pb.DIMENSION_BATCH, pb.DIMENSION_PADDING)
    assert not is_bitwise(proof, pb.DIMENSION_CHUNKING)
    assert (servable.certificate, servable.batched, servable.sliced) == ("ulp", True, False)


@pytest.mark.parametrize("batch_uncertified", [False, True])
def test_without_a_certificate_runs_are_shared_only_where_the_operator_says_so(
    tmp_path: Path, batch_uncertified: bool
) -> None:
    servable = loaded(tmp_path, None, batch_uncertified=batch_uncertified)
    assert (servable.certificate, servable.batched) == ("uncertified", batch_uncertified)
    assert not servable.sliced


def test_a_proof_without_time_proves_nothing(tmp_path: Path) -> None:
    elsewhere = fingerprint_here()
    elsewhere.runtime_version = "0"
    servable = loaded(tmp_path, claimed(elsewhere), seconds=0)
    assert (servable.certificate, servable.batched, servable.sliced) == ("none", False, False)
