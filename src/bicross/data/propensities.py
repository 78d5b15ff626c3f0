"""How likely a user looks at each position of a list, out of a click log alone.

The position-based model says that a click needs two things, independent of each other: the user examines the position, with a
probability that only the position decides (its propensity), and finds the document attractive (Richardson et al., WWW 2007; Wang et
al., "Position Bias Estimation for Unbiased Learning to Rank in Personal Search", WSDM 2018). The two can be told apart where the log
shows the same document for the same query at several positions (Agarwal et al., "Estimating Position Bias without Intrusive
Interventions", WSDM 2019). Of those pairs of query and document the expected clicks at a position are impressions * attractiveness *
propensity, and both are fitted by Poisson likelihood, alternating between them. Unlike the likelihood of the single click, which
expectation maximisation climbs, it stays consistent however few impressions each pair has, because given the clicks of a pair its
attractiveness drops out (Hausman, Hall and Griliches, Econometrica 1984; only the mean has to be right: Wooldridge, J. Econometrics
1999). Not modelled are trust in high positions and clicks that depend on each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
LEAST_CLICKS = 30
"""Clicks at a position, on pairs seen at several, from which on its propensity is estimated: a relative deviation of about 0.2."""
STEPS, ENOUGH = 2000, 1e-6  # alternations at most; the largest change of a logarithm that ends them


@dataclass(frozen=True, slots=True)
class Cells:
    """A click log, counted: pair (of query and document) and position, each combination once, all (cells,). Positions count from 1."""

    pair: Ints
    position: Ints
    shown: Ints
    clicked: Ints

    def __getitem__(self, rows: NDArray[np.bool_]) -> Cells:
        return Cells(self.pair[rows], self.position[rows], self.shown[rows], self.clicked[rows])


@dataclass(frozen=True, slots=True)
class Propensities:
    """`values[k]` is that of position k, the largest being 1; `values[0]` is not used. `known` are the positions that were estimated."""

    values: Floats
    known: tuple[int, ...]


def estimate(cells: Cells, deepest: int) -> Propensities:
    """The propensities of positions 1 to `deepest`.

    A position that the log cannot tell (fewer than `LEAST_CLICKS`, or no pair links it with the others) is taken to fall as 1/rank from the
    nearest that is estimated; where none is, all fall as 1/rank.
    """
    usable = _usable(cells)
    known: Ints = np.unique(usable.position)  # ascending
    values = np.ones(deepest + 1)  # (deepest + 1,)
    ranks = np.arange(1, deepest + 1)
    if len(known):
        fitted = _fitted(usable, known)  # (known,)
        nearest = np.abs(ranks[:, None] - known).argmin(axis=1)  # (deepest,)
        values[1:] = fitted[nearest] * known[nearest] / ranks
    else:
        values[1:] = 1 / ranks
    values[1:] /= values[1:].max()
    return Propensities(values, tuple(known.tolist()))


def _usable(cells: Cells) -> Cells:
    """The cells of pairs with clicks that were shown at several positions, of positions with enough clicks that pairs link together."""
    while True:
        several = np.bincount(cells.pair)[cells.pair] > 1
        clicked = np.bincount(cells.pair, cells.clicked)[cells.pair] > 0
        enough = np.bincount(cells.position, cells.clicked * (several & clicked))[cells.position] >= LEAST_CLICKS
        good = several & clicked & enough
        if not good.any():
            return cells[good]
        if good.all():
            linked = _linked(cells)
            if linked.all():
                return cells
            good = linked
        cells = cells[good]


def _linked(cells: Cells) -> NDArray[np.bool_]:
    """Which cells hang together, through pairs and positions, with the position that has most clicks."""
    at = np.bincount(cells.position, cells.clicked).argmax()
    reached = np.zeros(cells.position.max() + 1, dtype=bool)
    reached[at] = True
    while True:
        pairs = np.bincount(cells.pair, reached[cells.position])[cells.pair] > 0
        before = reached.sum()
        reached[cells.position[pairs]] = True
        if reached.sum() == before:
            return pairs


def _fitted(cells: Cells, known: Ints) -> Floats:
    """The maximum of the Poisson likelihood, (known,), by alternating between attractiveness and propensities."""
    place = np.searchsorted(known, cells.position)
    pair: Ints = np.unique(cells.pair, return_inverse=True)[1]
    clicks_of_pair = np.bincount(pair, cells.clicked)  # (pairs,)
    clicks_at = np.bincount(place, cells.clicked)  # (known,)
    values = np.ones(len(known))
    for _ in range(STEPS):
        attraction = clicks_of_pair / np.bincount(pair, cells.shown * values[place])
        fresh = clicks_at / np.bincount(place, cells.shown * attraction[pair])
        fresh /= fresh[0]
        change = np.abs(np.log(fresh / values)).max()
        values = fresh
        if change < ENOUGH:
            break
    return values
