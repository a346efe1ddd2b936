"""One lint: which rules judge the graph as stored, and which the graph as it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import onnx

from export.lint import (
    attention,
    masking,
    normalisation,
    operators,
    recurrence,
    reduction,
    signature,
    weight,
)
from export.lint.axes import analyse
from export.lint.finding import ALL, Finding, UnreadableModelError
from export.lint.optimiser import optimised
from export.lint.reading import checked, inlined, read
from export.lint.view import NodeView
from export.lint.walk import nodes

Rule = Callable[[NodeView], Iterable[Finding]]

# What the optimiser would hide or rename: as stored. What it repairs or breaks: as run.
_AS_STORED: tuple[Rule, ...] = (operators.check_convolution, operators.check_randomness, signature.check_node)
_AS_RUN: tuple[Rule, ...] = (
    normalisation.check,
    reduction.check,
    operators.check_activation,
    weight.check,
    attention.check,
    recurrence.check,
    masking.check,
    operators.check_quantisation,
)
# Found as run, and by the optimiser turned into something without a name of its own.
_HIDDEN = frozenset(("batch-norm-training", "weight-replaceable", "norm-over-time", "norm-over-batch"))
_HIDDEN |= {"norm-over-groups", "norm-over-unknown-axis"}


def lint_model(model: onnx.ModelProto | Path | str) -> list[Finding]:
    """Return a finding for every node whose form endangers the bits of an answer; none means clean.

    Any ONNX file will do. Names are those of the file, also where the optimiser fuses nodes. Raises
    UnreadableModelError when it is no ONNX model or its weights are missing.
    """
    path = None if isinstance(model, onnx.ModelProto) else Path(model)
    read_model = checked(model) if isinstance(model, onnx.ModelProto) else read(Path(model))
    try:
        return _findings(read_model, path)
    except Exception as error:  # whatever a corrupt graph holds: attributes of another type, text that is none
        raise UnreadableModelError(f"{path or 'the model'}: lint cannot follow this graph: {error}") from error


def _findings(read_model: onnx.ModelProto, path: Path | None) -> list[Finding]:
    stored = inlined(read_model)
    before = analyse(stored)
    run, problem = optimised(read_model, path)
    after = before if problem else analyse(run, before)
    found = [*signature.check(stored, before), *_unloadable(problem)]
    stored_nodes = nodes(stored, before)
    found += _judged(stored_nodes, _AS_STORED)
    hidden = [finding for finding in _judged(stored_nodes, _AS_RUN) if finding.rule in _HIDDEN]
    found += hidden
    named = {finding.node for finding in hidden}
    found += _as_run(stored_nodes if problem else nodes(run, after), stored_nodes, named)
    return _without_repeats(found)


def _judged(views: list[NodeView], rules: tuple[Rule, ...]) -> list[Finding]:
    return [finding for view in views for rule in rules for finding in rule(view)]


def _as_run(run: list[NodeView], stored: list[NodeView], named: set[str]) -> Iterator[Finding]:
    """Judge the graph as it runs, in the names of the file.

    What the optimiser fused or took apart is named after the first node in the file downstream of it; pieces of a node
    that is named already (`named`) aren't returned again.
    """
    names = {view.proto.name for view in stored}
    makers = {name: view.proto.name for view in stored for name in view.proto.output if name}
    for view in run:
        found = _judged([view], _AS_RUN)
        if not found or view.proto.name in names:
            yield from found
            continue
        maker = _downstream(view, makers)
        if maker not in named:
            yield from (dataclasses.replace(finding, node=maker or finding.node) for finding in found)


def _downstream(view: NodeView, makers: dict[str, str]) -> str:
    """Return the name of the node in the file that gives a tensor of this node, or of the nearest one behind it."""
    ring, seen = [view], {id(view)}
    while ring:
        for name in (name for node in ring for name in node.proto.output):
            if makers.get(name):
                return makers[name]
        ring = [reader for node in ring for reader in node.consumers() if id(reader) not in seen]
        seen.update(id(node) for node in ring)
    return ""


def _unloadable(problem: str) -> Iterator[Finding]:
    if problem:
        yield Finding(
            rule="not-optimised",
            severity="unknown",
            endangers=ALL,
            node="",
            op="model",
            graph="",
            output="",
            why=f"ONNX Runtime doesn't load it, so the graph was judged as it is stored: {problem}",
            instead="operators and versions that the CPU provider knows",
        )


def _without_repeats(found: list[Finding]) -> list[Finding]:
    unique: dict[tuple[str, str, str], Finding] = {}
    for finding in found:
        unique.setdefault((finding.rule, finding.graph, finding.node or finding.output), finding)
    return list(unique.values())
