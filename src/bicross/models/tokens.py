"""Texts to token batches, in the order that is fastest to compute, and results back in the order asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from bicross.errors import InputError
from bicross.models.batches import padded, token_batches

WINDOW, CHARACTERS = 4096, 1_000_000  # texts tokenized and held at once, and their code points: sorting more of them gains nothing
ROOM = 16  # code points a token that are read of a long text at first: four times what English has
Input = str | tuple[str, str]
Batch = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Token ids, mask and token types of one batch, each (rows, tokens)."""
Output = NDArray[np.float32]


class Engine(Protocol):
    """A compiled model, by OpenVINO (`network.py`) or torch (`torch_runtime.py`). `streams`: batches that it computes at a time, each of
    about `budget` padded tokens; `dim`: values a row of output 0.
    """

    @property
    def streams(self) -> int: ...
    @property
    def budget(self) -> int: ...
    @property
    def dim(self) -> int: ...
    def run(self, batches: Iterable[Batch], output: int = 0) -> Iterator[Output]: ...


class Computed(NamedTuple):
    """A batch's results: which inputs they are of, the tokens of each, whether it was cut, and the output's rows."""

    positions: list[int]
    tokens: list[int]
    cut: list[bool]
    rows: Output


def load_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer without truncation or padding: for counting.

    Raises:
        InputError: the file is not a tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path} is not a tokenizer ({error}). Copy or download the model again.") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def encode(tokenizer: Tokenizer, inputs: Sequence[Input], limit: int) -> list[Encoding]:
    """Encodings of texts or pairs by a tokenizer that cuts at `limit` tokens.

    Of a text that is very long no more is tokenized than is needed to know its first `limit` tokens, or memory would grow with it.
    """
    encodings = tokenizer.encode_batch([_beginning(given, limit * ROOM) for given in inputs])
    for place, given in enumerate(inputs):
        room = limit * ROOM
        while _longest(given) > room and len(encodings[place].overflowing) < 2:  # with two, what was cut off is `limit` tokens away
            room *= 8
            encodings[place] = tokenizer.encode(*_pair(_beginning(given, room)))
    return encodings


def run_sorted(
    engine: Engine,
    tokenizer: Tokenizer,
    inputs: Sequence[Input],
    limit: int,
    pad: int,
    output: int = 0,
    pair_types: bool = False,
) -> Iterator[Computed]:
    """Compute the inputs; while one window of them is computed, the next is tokenized."""
    windows = _windows(inputs)
    with ThreadPoolExecutor(1) as pool:
        ahead = deque(pool.submit(encode, tokenizer, inputs[window], limit) for window in windows[:1])
        for number, window in enumerate(windows):
            encodings = ahead.popleft().result()
            ahead.extend(pool.submit(encode, tokenizer, inputs[later], limit) for later in windows[number + 1 : number + 2])
            lengths = [len(encoding) for encoding in encodings]
            groups = token_batches(lengths, engine.streams, engine.budget)
            outputs = engine.run((to_arrays([encodings[i] for i in group], pad, limit, pair_types) for group in groups), output)
            for group, rows in zip(groups, outputs, strict=True):
                cut = [bool(encodings[i].overflowing) for i in group]
                yield Computed([window.start + i for i in group], [lengths[i] for i in group], cut, rows)


def to_arrays(encodings: Sequence[Encoding], pad: int, limit: int, pair_types: bool) -> Batch:
    """Ids, mask and types padded on the right to a step, but not beyond `limit`, each (len(encodings), tokens); without `pair_types` all
    are of type 0.
    """
    longest = max(map(len, encodings), default=1)
    shape = (len(encodings), max(longest, min(padded(longest), limit)))
    ids, mask, types = np.full(shape, pad, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, encoding in enumerate(encodings):
        length = len(encoding)
        ids[row, :length], mask[row, :length] = encoding.ids, 1
        if pair_types:
            types[row, :length] = encoding.type_ids
    return ids, mask, types


def _windows(inputs: Sequence[Input]) -> list[slice]:
    """The inputs in parts of at most WINDOW, and of about CHARACTERS code points or of one input."""
    parts, start, held = list[slice](), 0, 0
    for place, given in enumerate(inputs):
        size = sum(map(len, _pair(given)))
        if place > start and (place - start == WINDOW or held + size > CHARACTERS):
            parts.append(slice(start, place))
            start, held = place, 0
        held += size
    return [*parts, slice(start, len(inputs))] if len(inputs) else []


def _pair(given: Input) -> tuple[str] | tuple[str, str]:
    return (given,) if isinstance(given, str) else given


def _longest(given: Input) -> int:
    return max(map(len, _pair(given)))


def _beginning(given: Input, room: int) -> Input:
    return given[:room] if isinstance(given, str) else (given[0][:room], given[1][:room])
