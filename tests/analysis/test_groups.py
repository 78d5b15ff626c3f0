"""Communities, a hierarchy, what hangs together, and places on a map: worlds whose answer can be seen."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest

from bicross.analysis import groups
from bicross.analysis.groups import communities, hierarchy, layout, linked, typical_first
from bicross.analysis.map import cluster_map
from bicross.analysis.neighbours import pairs_above
from bicross.vectors import Vectors, unit
from tests.analysis.test_neighbours import silent

SIZES = (40, 25, 12, 5, 2, 1)


def world(dim: int = 24) -> tuple[Vectors, list[set[int]]]:
    """Groups of these sizes around directions that are at right angles, in an order that tells nothing."""
    random = np.random.default_rng(0)
    rows = np.concatenate([np.eye(dim)[number] + 0.06 * random.normal(size=(size, dim)) for number, size in enumerate(SIZES)])
    labels, order = np.repeat(np.arange(len(SIZES)), SIZES), random.permutation(sum(SIZES))
    return unit(rows[order].astype(np.float32)), [set(np.flatnonzero(labels[order] == number).tolist()) for number in range(len(SIZES))]


def test_communities_are_the_groups() -> None:
    vectors, true = world()
    found = communities(vectors, pairs_above(vectors, 0.7, 10_000, silent), 5)
    assert [set(group) for group in found] == true[:4]
    assert found[0][0] == typical_first(vectors, np.array(sorted(true[0])))[0]


def test_no_row_is_in_two_communities() -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(400, 6)).astype(np.float32))
    found = communities(vectors, pairs_above(vectors, 0.6, 10**6, silent), 3)
    members = [row for group in found for row in group]
    assert len(members) == len(set(members)) and min(map(len, found)) >= 3
    assert [len(group) for group in found] == sorted(map(len, found), reverse=True)


@pytest.mark.parametrize("fine", [2_000, 30])
@pytest.mark.parametrize("count", [None, 6])
def test_a_hierarchy_cut_at_the_groups(monkeypatch: pytest.MonkeyPatch, fine: int, count: int | None) -> None:
    vectors, true = world()
    monkeypatch.setattr(groups, "FINE", fine)
    assert [set(group) for group in hierarchy(vectors, count, 0.5, 1)] == true


def test_a_chain_links() -> None:
    vectors, _ = world()
    assert linked(vectors, [1, 2, 7], [2, 3, 9])[0] != [] and sorted(map(sorted, linked(vectors, [1, 2, 7], [2, 3, 9]))) == [
        [1, 2, 3],
        [7, 9],
    ]
    assert linked(vectors, [], []) == []


def test_circles_do_not_overlap_and_alike_groups_are_neighbours() -> None:
    random = np.random.default_rng(2)
    heads = np.eye(8)[[0, 0, 1, 2]] + 0.3 * np.eye(8)[[5, 6, 7, 7]]
    rows = unit(np.concatenate([head + 0.02 * random.normal(size=(20, 8)) for head in heads]).astype(np.float32))
    circles = list(layout(rows, [list(range(20 * n, 20 * n + 20)) for n in range(4)]))
    apart = {
        pair: np.hypot(circles[pair[0]][0] - circles[pair[1]][0], circles[pair[0]][1] - circles[pair[1]][1])
        for pair in combinations(range(4), 2)
    }
    assert all(distance >= circles[a][2] + circles[b][2] for (a, b), distance in apart.items())
    assert min(apart, key=lambda pair: apart[pair]) == (0, 1)


def test_the_map_is_an_svg_that_names_everything() -> None:
    vectors, true = world()
    found = [sorted(group) for group in true]
    titles = ["<b>&", *(f"group {number}" for number in range(1, 6))]
    drawn = ET.fromstring(cluster_map(vectors, found, titles, [f"text {row}" for row in range(len(vectors))]))
    names = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert len([name for name in names if name and name.startswith("text ")]) == sum(SIZES)
    assert f"<b>& ({SIZES[0]})" in names
    ET.fromstring(cluster_map(vectors, [], [], []))
