"""The sum of the statistics of one version in several processes."""

from __future__ import annotations

from soloist.oip import grpc_service_pb2 as pb


def add_statistics(total: pb.ModelStatistics, other: pb.ModelStatistics) -> None:
    """Add the counts and times of one process to those of others."""
    total.last_inference = max(total.last_inference, other.last_inference)
    total.inference_count += other.inference_count
    total.execution_count += other.execution_count
    for field in pb.InferStatistics.DESCRIPTOR.fields_by_name:
        _add(getattr(total.inference_stats, field), getattr(other.inference_stats, field))
    sizes = {each.batch_size: each for each in total.batch_stats}
    for each in other.batch_stats:
        ours = sizes.get(each.batch_size)
        if ours is None:
            total.batch_stats.add().CopyFrom(each)
            continue
        for field in ("compute_input", "compute_infer", "compute_output"):
            _add(getattr(ours, field), getattr(each, field))
    in_order = sorted(total.batch_stats, key=lambda each: each.batch_size)
    del total.batch_stats[:]
    total.batch_stats.extend(in_order)


def _add(total: pb.StatisticDuration, other: pb.StatisticDuration) -> None:
    total.count += other.count
    total.ns += other.ns
