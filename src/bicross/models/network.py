"""The only importer of OpenVINO's runtime: compiles a graph at a stated precision and runs batches on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov

from bicross.errors import InputError
from bicross.models import graph, progress
from bicross.models.batches import TOKEN_BUDGET
from bicross.models.folder import ModelFolder
from bicross.models.tokens import Batch, Output
from bicross.models.weights import read_weights

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of this container, in version 2 of control groups


def cores() -> int:
    """Processors that this process may use: those that it is bound to, but no more than its container's quota pays for, for threads beyond
    that would be stopped in the middle of every period.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(bound, _paid(QUOTA) or bound)


def _paid(file: Path) -> int | None:
    """Whole processors of a quota, one at least; None where there is none. (https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max)"""
    try:
        quota, period = file.read_text("ascii").split()
        return None if quota == "max" else max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None


@cache
def _core() -> ov.Core:
    return ov.Core()


def best_precision() -> str:
    """bf16 where the processor computes in it (twice the speed of fp32, cosine 0.9998 and more), else f32."""
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def bi_encoder(folder: ModelFolder, precision: str | None) -> Network:
    """The network of an encoder, with two outputs: pooled vectors (batch, dim), and the tokens' unit vectors (batch, tokens, dim)."""
    file, precision = folder.graph_file(), _precision(folder, precision)
    if file is None:
        linear, products, floats = _products(folder, precision)
        inputs, hidden = graph.bert(folder.config, read_weights(folder.path), linear, products)
    else:
        floats = best_precision() if precision == "int8" else precision
        inputs, hidden = graph.read(file, "last_hidden_state", rank=3)
    pooled = graph.pool(hidden, inputs[1], folder.pooling, folder.normalise)
    return Network(ov.Model([pooled, graph.unit_length(hidden)], inputs, "bi_encoder"), precision, floats)


def cross_encoder(folder: ModelFolder, precision: str | None) -> Network:
    """The network of a reranker, with one output: the logits, (batch, 1).

    Raises:
        InputError: the model has several classes, which is no reranker.
    """
    file, precision = folder.graph_file(), _precision(folder, precision)
    if file is None:
        weights, (linear, products, floats) = read_weights(folder.path), _products(folder, precision)
        inputs, hidden = graph.bert(folder.config, weights, linear, products, first_token=True)
        logits = graph.classify(hidden, folder.config, weights)
    else:
        floats = best_precision() if precision == "int8" else precision
        inputs, logits = graph.read(file, "logits", rank=2)
    network = Network(ov.Model([logits], inputs, "cross_encoder"), precision, floats)
    if network.dim > 1:
        raise InputError(f"{folder.path} gives {network.dim} scores a pair; expected 1, as a reranker has.")
    return network


def _precision(folder: ModelFolder, asked: str | None) -> str:
    """What is asked for, or int8 for a folder that is calibrated for it, where the processor has such products; else what is best."""
    if asked not in (None, "f32", "bf16", "int8"):
        raise InputError(f"Precision {asked!r} is not known; expected f32, bf16 or int8.")
    if asked == "int8" and not folder.is_calibrated:
        raise InputError(f"{folder.root} is not calibrated for int8. Run: bicross quantize")
    return asked or ("int8" if folder.is_calibrated and has_int8() else best_precision())


def _products(folder: ModelFolder, precision: str) -> tuple[graph.Linear | None, str, str]:
    """How a graph's layers make their products, the type of those that are plain, and what the runtime makes of the graph's floats."""
    if precision != "int8":
        return None, precision, "f32"
    from bicross.models import int8  # imports this module

    return int8.linear(int8.read_ranges(folder)), "f32", best_precision()  # it joins products of integers with what follows by itself


def has_int8() -> bool:
    """Whether the processor multiplies 8-bit integers faster than floats."""
    return "INT8" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Network:
    """A compiled graph: one single-threaded stream a core, so that a batch's numbers do not depend on the number of cores."""

    budget = TOKEN_BUDGET

    def __init__(self, model: ov.Model, precision: str, floats: str = "f32") -> None:
        self.precision, self.streams = precision, cores()
        width = model.outputs[0].partial_shape[1]
        self.dim = int(width.get_length()) if width.is_static else 1  # a file may leave it open how many scores there are
        self._inputs = len(model.inputs)  # ids, mask, and types where the model has them
        self._compiled = _core().compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": floats, "NUM_STREAMS": self.streams, "INFERENCE_NUM_THREADS": self.streams}
        )

    def run(self, batches: Iterable[Batch], output: int = 0) -> Iterator[Output]:
        """The graph's output number `output` for each batch, in order. At most `2 * streams` batches are held at once."""
        requests = [self._compiled.create_infer_request() for _ in range(2 * self.streams)]
        started = 0
        finished = 0
        for batch in batches:
            if started - finished == len(requests):
                yield self._collect(requests[finished % len(requests)], output)
                finished += 1
            requests[started % len(requests)].start_async(dict(enumerate(batch[: self._inputs])))
            started += 1
        for position in range(finished, started):
            yield self._collect(requests[position % len(requests)], output)

    def all_outputs(self, batches: Iterable[Batch]) -> Iterator[list[Output]]:
        """Every output of the graph for each batch, one batch after the other."""
        request = self._compiled.create_infer_request()
        for batch in batches:
            request.infer(dict(enumerate(batch[: self._inputs])))
            yield [np.array(request.get_output_tensor(place).data, dtype=np.float32) for place in range(len(self._compiled.outputs))]

    @staticmethod
    def _collect(request: ov.InferRequest, output: int) -> Output:
        request.wait()
        progress.made()
        return np.array(request.get_output_tensor(output).data, dtype=np.float32)  # a copy: the request is used again
