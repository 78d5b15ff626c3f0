"""Texts to token batches, in the order that is fastest to compute, and results back in the order asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from bicross.errors import InputError
from bicross.models.batches import token_batches
from bicross.models.network import Batch, Network, Output

WINDOW = 4096  # texts tokenized and held at once: bounds memory, and sorting further gains nothing


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


def run_sorted(
    network: Network, encode: Callable[[int, int], list[Encoding]], count: int, pad: int, output: int = 0, pair_types: bool = False
) -> Iterator[tuple[Sequence[int], Sequence[int], Output]]:
    """Compute `count` inputs; `encode(start, stop)` tokenizes some of them.

    Yields (positions, token counts, output rows) batch by batch; positions say which inputs the rows belong to.
    """
    for start in range(0, count, WINDOW):
        encodings = encode(start, min(start + WINDOW, count))
        lengths = [len(encoding.ids) for encoding in encodings]
        groups = token_batches(lengths, network.streams)
        outputs = network.run((to_arrays([encodings[i] for i in group], pad, pair_types) for group in groups), output)
        for group, rows in zip(groups, outputs, strict=True):
            yield [start + i for i in group], [lengths[i] for i in group], rows


def to_arrays(encodings: Sequence[Encoding], pad: int, pair_types: bool) -> Batch:
    """Ids, mask and types padded on the right, each (len(encodings), longest); without `pair_types` all are of type 0."""
    shape = (len(encodings), max(1, *(len(encoding.ids) for encoding in encodings)) if encodings else 1)
    ids, mask, types = np.full(shape, pad, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, encoding in enumerate(encodings):
        length = len(encoding.ids)
        ids[row, :length], mask[row, :length] = encoding.ids, 1
        if pair_types:
            types[row, :length] = encoding.type_ids
    return ids, mask, types
