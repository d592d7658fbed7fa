"""Grouped splits and folds: no group on two sides, classes even, the same on another day."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.readers import DataError
from data.splits import folds, grouped_split
from metrics.groups import join


@st.composite
def studies(draw: st.DrawFn, most: int = 40) -> tuple[list[str], list[int], int]:
    """Images of patients: each patient one label and 1 to 6 views, in any order of files."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=8, max_size=most))
    of_patient = [draw(st.sampled_from(["normal", "abnormal"])) for _ in sizes]
    images = [(of_patient[p], p) for p, size in enumerate(sizes) for _ in range(size)]
    images = draw(st.permutations(images))
    return (
        [label for label, _ in images],
        [patient for _, patient in images],
        draw(st.integers(0, 2**31)),
    )


@settings(max_examples=500, deadline=None)
@given(studies())
def test_no_group_is_in_two_folds_and_shares_are_near(
    study: tuple[list[str], list[int], int],
) -> None:
    labels, groups, seed = study
    assume(
        all(
            len({g for label, g in zip(labels, groups, strict=True) if label == k}) >= 3
            for k in ("normal", "abnormal")
        )
    )
    numbers = folds(labels, groups, 3, seed)
    assert np.array_equal(numbers, folds(labels, groups, 3, seed))
    for group in set(groups):
        assert (
            len({number for number, own in zip(numbers, groups, strict=True) if own == group}) == 1
        )
    largest = max(groups.count(group) for group in set(groups))
    for label in ("normal", "abnormal"):
        counts = np.bincount(numbers[np.array(labels) == label], minlength=3)
        assert counts.max() - counts.min() <= 2 * largest  # whole groups cannot be dealt out finer


@settings(max_examples=500, deadline=None)
@given(studies(most=10), st.sampled_from([0.1, 0.2, 0.33, 0.5]))
def test_no_split_of_whole_groups_is_nearer_to_the_share(
    study: tuple[list[str], list[int], int], share: float
) -> None:
    labels, groups, seed = study
    assume(len(set(labels)) == 2)
    y = (np.array(labels) == "abnormal").astype(int)
    g = np.array(groups)
    images = np.array([np.bincount(y[g == group], minlength=2) for group in range(g.max() + 1)])
    total = images.sum(axis=0)
    subsets = (np.arange(2 ** len(images))[:, None] >> np.arange(len(images))) & 1
    counts = subsets @ images
    counts = counts[((counts > 0) & (counts < total)).all(axis=1)]
    if not len(counts):
        with pytest.raises(DataError, match="too few or too large for both sides"):
            grouped_split(labels, groups, share, seed)
        return
    chosen = grouped_split(labels, groups, share, seed)
    own = np.bincount(y[chosen], minlength=2)
    assert ((own > 0) & (own < total)).all()
    assert not set(g[chosen]) & set(g[~chosen])
    best = np.abs(counts - share * total).sum(axis=1).min()
    assert (
        np.abs(own - share * total).sum() <= best + 0.5
    )  # less than an image: what the solver tolerates


def test_many_patients_are_split_by_chance_and_the_same_on_another_day() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(3000), rng.integers(1, 8, 3000))
    labels = np.array(["normal", "abnormal"])[rng.integers(0, 2, 3000)][groups]
    chosen = grouped_split(labels, groups, 0.2, seed=1)
    assert np.array_equal(chosen, grouped_split(labels, groups, 0.2, seed=1))
    for name in ("normal", "abnormal"):
        assert abs(chosen[labels == name].sum() - 0.2 * (labels == name).sum()) <= 0.5
    other = grouped_split(labels, groups, 0.2, seed=2)
    assert (chosen & other).mean() < 0.08  # 0.04 by chance


def test_too_few_groups_say_which_class() -> None:
    with pytest.raises(DataError, match=r"class abnormal has 2 group\(s\).*too few for 3"):
        folds(["normal"] * 5 + ["abnormal"] * 4, [0, 1, 2, 3, 4, 5, 5, 6, 6], 3, seed=0)


def test_keys_and_pairs_join_into_groups() -> None:
    keys = [("p1", "a"), ("p1", "b"), ("", "c"), ("", "c"), ("", "d"), ("", "")]
    groups = join(keys, np.array([[3, 4]]))
    assert groups[0] == groups[1]
    assert groups[2] == groups[3] == groups[4]
    assert len({groups[0], groups[2], groups[5]}) == 3
