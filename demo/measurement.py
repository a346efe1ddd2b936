"""What is measured of one served model: accuracy, agreement, throughput, latency under load."""

from __future__ import annotations

from dataclasses import dataclass

from bench.load_generator.load import Load, Mode
from bench.load_generator.report import Summary
from bench.load_generator.run import measure
from bench.server.metrics_page import MetricsPage
from demo.plan import DemoError, Plan
from demo.requests import Answers, ask_streamed, ask_whole, bits_differ
from demo.result import Calls, ModelResult, ServerFigures
from models.data import Split
from soloist import AsyncClient, SoloistError
from soloist.v1.model_pb2 import Model


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """All that one model was asked, and what came back."""

    manifest: Model
    whole: Answers
    streamed: Answers
    whole_load: Summary
    streamed_load: Summary


async def measure_model(server: str, name: str, held_out: Split, plan: Plan) -> Measured:
    """Ask a model everything: first accuracy with many calls at once, then latency; raises DemoError."""
    try:
        async with AsyncClient(server) as client:
            manifest = (await client.model(name)).manifest
            if manifest is None:
                raise DemoError(f"the server knows no manifest of {name}")
            whole = await ask_whole(client, name, held_out.sequences, at_once=plan.calls_at_once)
            streamed = await ask_streamed(client, name, held_out.sequences, at_once=plan.calls_at_once, seed=plan.seed)
        loads = [
            await measure(_load(server, name, mode, plan), held_out.sequences) for mode in (Mode.UNARY, Mode.STREAM)
        ]
    except SoloistError as error:
        raise DemoError(f"{name}: {error}") from error
    whole_load, streamed_load = loads
    return Measured(
        manifest=manifest, whole=whole, streamed=streamed, whole_load=whole_load, streamed_load=streamed_load
    )


def result(measured: Measured, held_out: Split, page: MetricsPage, *, making_seconds: float) -> ModelResult:
    """Put together what was measured, what the artifact says of itself and what the server counted."""
    manifest, whole, streamed = measured.manifest, measured.whole, measured.streamed
    return ModelResult(
        name=manifest.name,
        version=manifest.version,
        task=manifest.task,
        architecture=manifest.architecture,
        norm=manifest.norm,
        parameters=manifest.training.parameters,
        folded_norm_layers=sum(layer.folded for layer in manifest.norm_layers),
        epochs=manifest.training.epochs,
        best_epoch=manifest.training.best_epoch,
        making_seconds=making_seconds,
        sequences=len(held_out),
        offline_sequences=manifest.accuracy.sequences,
        correct_offline=manifest.accuracy.correct,
        correct_whole=whole.correct(held_out.labels),
        correct_streamed=streamed.correct(held_out.labels),
        correct_by_frame=streamed.correct_by_frame(held_out.labels),
        bits_differ=bits_differ(whole, streamed),
        frames_per_second_whole=whole.frames_per_second(),
        frames_per_second_streamed=streamed.frames_per_second(),
        whole_load=measured.whole_load,
        streamed_load=measured.streamed_load,
        server=_server_figures(measured, page),
    )


def _server_figures(measured: Measured, page: MetricsPage) -> ServerFigures:
    name = measured.manifest.name
    predicted = len(measured.whole.answers) + measured.whole_load.answered
    streamed = len(measured.streamed.answers) + measured.streamed_load.answered
    return ServerFigures(
        predict=Calls(answered=predicted, counted=answered_calls(page, name, "Predict")),
        stream=Calls(answered=streamed, counted=answered_calls(page, name, "Stream")),
        mean_batch_size=page.mean("soloist_batch_size", model=name),
        mean_padding_ratio=page.mean("soloist_padding_ratio", model=name),
        mean_queue_ms=1e3 * page.mean("soloist_queue_seconds", model=name),
        mean_compute_ms=1e3 * page.mean("soloist_compute_seconds", model=name),
    )


def answered_calls(page: MetricsPage, model: str, api: str) -> int:
    """Return how many calls to a model ended well, as the server counted them."""
    return int(page.total("soloist_requests_total", model=model, api=api, code="OK"))


def _load(server: str, name: str, mode: Mode, plan: Plan) -> Load:
    return Load(
        server=server,
        model=name,
        mode=mode,
        rate_per_second=plan.load_rate_per_second,
        seconds=plan.load_seconds,
        seed=plan.seed,
    )
