"""Labels, canaries and shadows of a real server: where new sequences go, and who keeps to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.repository.rollout import place_of
from soloist import Admin, SoloistError
from soloist.v1 import sequence_inference_pb2 as pb
from tests.integration.asking import CLOSE, asking, chunk, ones, tensor, translated
from tests.integration.infer_requests import converse, infer, request, step
from tests.integration.shop import CHUNKS, Shop
from tests.servers import eventually, running_server


def _label(shop: Shop, label: str) -> list[int]:
    """Ask for a label in every way; return the versions that answered."""
    asker = shop.asker
    with translated():
        predicted = asker.stub.Predict(pb.PredictRequest(model="named", version_label=label, frames=tensor(CHUNKS[0])))
        compared = asker.stub.Compare(pb.CompareRequest(model="named", version_label=label, frames=tensor(CHUNKS[0])))
        reported = asker.stub.GetModel(pb.GetModelRequest(model="named", version_label=label))
    opening = pb.StreamRequest(open=pb.Open(model="named", version_label=label))
    (opened, *_), _code = asker.converse(opening, chunk(0, ones(3)), CLOSE)
    (inferred,) = infer(asker, request(model="named", version=label))
    answered = [predicted.version, compared.models[0].version, reported.status.version, opened.opened.version]
    return [*answered, int(inferred.model_version)]


def test_labels_name_versions_everywhere_and_outlive_the_server(shop: Shop, tmp_path: Path) -> None:
    shop.begin("named")
    assert shop.admin.spread("named", labels={"stable": 1}).labels == {"stable": 1}
    shop.publish("named", 2)
    assert shop.admin.spread("named", labels={"canary": 2}).labels == {"canary": 2, "stable": 1}
    assert shop.answers("named") == 1
    assert _label(shop, "stable") == [1] * 5
    assert _label(shop, "canary") == [2] * 5
    with running_server(shop.server.repository, tmp_path) as other, asking(other.grpc) as asker:
        (response,) = infer(asker, request(model="named", version="canary"))
        assert response.model_version == "2"
    assert shop.admin.spread("named", labels={"canary": 0}).labels == {"stable": 1}
    for ask in (lambda: _label(shop, "canary"), lambda: infer(shop.asker, request(model="named", version="canary"))):
        with pytest.raises(SoloistError) as caught:
            ask()
        assert (caught.value.reason, caught.value.facts["version"]) == ("MODEL_VERSION_NOT_FOUND", "canary")


def test_servers_of_one_repository_agree_on_labels(shop: Shop, tmp_path: Path) -> None:
    shop.begin("shared")
    shop.publish("shared", 2)
    with running_server(shop.server.repository, tmp_path) as other, Admin(other.grpc) as admin:
        admin.spread("shared", labels={"stable": 1})
    assert eventually(lambda: shop.answers("shared") == 1)


def test_labels_that_cannot_be_written_are_refused(shop: Shop) -> None:
    shop.begin("closed")
    (shop.server.repository / "closed" / "labels.json").mkdir()
    with pytest.raises(SoloistError) as caught:
        shop.admin.spread("closed", labels={"stable": 1})
    assert caught.value.reason == "LABELS_NOT_WRITTEN"
    assert str(shop.server.repository) not in caught.value.message


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"labels": {"Stable": 1}}, "label"),
        ({"labels": {"1": 1}}, "label"),
        ({"labels": {"stable": -1}}, "version"),
        ({"canary_percent": 100.1}, "canary_percent"),
        ({"canary_percent": float("nan")}, "canary_percent"),
        ({"shadow_version": -1}, "shadow_version"),
    ],
)
def test_an_impossible_rollout_is_refused(shop: Shop, change: dict[str, object], parameter: str) -> None:
    with pytest.raises(SoloistError) as caught:
        shop.admin.spread("always", **change)  # type: ignore[arg-type]  # that is the point
    assert (caught.value.reason, caught.value.facts["parameter"]) == ("PARAMETER_INVALID", parameter)


def test_a_share_of_new_sequences_goes_to_the_canary(shop: Shop) -> None:
    shop.begin("spread")
    shop.admin.spread("spread", labels={"stable": 1})
    shop.publish("spread", 2)
    assert shop.admin.spread("spread", labels={"canary": 2}, canary_percent=30).canary_percent == 30
    ids = range(1, 61)
    begun = converse(shop.asker, *(step(each, start=True, model="spread") for each in ids))
    ended = converse(shop.asker, *(step(each, end=True, model="spread") for each in ids))
    expected = ["2" if place_of("spread", repr(each)) < 0.3 else "1" for each in ids]
    assert {"1", "2"} == set(expected)
    assert sorted(each.infer_response.model_version for each in begun) == sorted(expected)
    assert sorted(each.infer_response.model_version for each in ended) == sorted(expected)
    shop.admin.spread("spread", canary_percent=100)
    with shop.client.stream("spread") as stream:
        assert stream.send(CHUNKS[0]).version == 2
        shop.admin.spread("spread", canary_percent=0)
        assert stream.send(CHUNKS[1]).version == 2
    assert shop.answers("spread") == 1


@pytest.mark.parametrize(
    ("gain", "features", "outcome"),
    [(1.0, 2, "equal-bits"), (2.0, 2, "same-class"), (-1.0, 2, "different-class"), (1.0, 3, "failed")],
)
def test_a_shadows_disagreements_are_counted_per_step(shop: Shop, gain: float, features: int, outcome: str) -> None:
    name = f"shadowed-{outcome}"
    shop.begin(name)
    shop.admin.spread(name, labels={"stable": 1})
    shop.publish(name, 2, gain=gain, features=features)
    with shop.client.stream(name) as early:
        early.send(CHUNKS[0])
        assert shop.admin.spread(name, shadow_version=2).shadow_version == 2
        early.send(CHUNKS[1])  # the shadow hasn't seen how it began
    expected = np.cumsum(CHUNKS.reshape(-1, 2), axis=0)[2::3]
    with shop.client.stream(name) as stream:
        given = [stream.send(each) for each in CHUNKS]
        stream.send(CHUNKS[-1], first_frame=15)  # sent again: no step
    np.testing.assert_allclose([each.outputs for each in given], expected, rtol=1e-5, atol=1e-5)
    assert {each.version for each in given} == {1}
    assert shop.client.predict(name, CHUNKS[0]).version == 1
    infer(shop.asker, request(CHUNKS[:2], model=name))  # two rows, two steps
    places: tuple[dict[str, bool], ...] = ({"start": True}, {}, {"end": True})
    infer(shop.asker, *(step("s", CHUNKS[n][None], model=name, **place) for n, place in enumerate(places)))
    steps = len(CHUNKS) + 1 + 2 + 3
    # What follows a failure in its sequence isn't run.
    wanted = {outcome: steps} if outcome != "failed" else {"failed": 1 + 1 + 2 + 1, "dropped": 5 + 2}
    assert eventually(lambda: sum(shop.shadow_steps(name).values()) >= steps)
    assert shop.shadow_steps(name) == wanted
    assert shop.admin.spread(name, shadow_version=0).shadow_version == 0
    shop.answers(name)
    assert shop.shadow_steps(name) == wanted


def test_a_client_may_name_a_label(shop: Shop) -> None:
    shop.begin("called")
    shop.publish("called", 2)
    shop.admin.spread("called", labels={"stable": 1, "canary": 2})
    assert shop.client.predict("called", CHUNKS[0], version="canary").version == 2
    assert shop.client.model("called", "canary").status.version == 2
    with shop.client.stream("called", version="canary") as stream:
        assert stream.send([[1, 2]]).version == 2
