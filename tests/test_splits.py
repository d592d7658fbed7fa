"""Grouped splits and folds: no group on two sides, classes spread evenly, the same on another day."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.readers import DataError
from data.splits import folds, grouped_split, join


@st.composite
def studies(draw: st.DrawFn) -> tuple[list[str], list[int], int]:
    """Images of patients: each patient one label and 1 to 6 views, in any order of files."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=8, max_size=40))
    of_patient = [draw(st.sampled_from(["normal", "abnormal"])) for _ in sizes]
    images = [(of_patient[p], p) for p, size in enumerate(sizes) for _ in range(size)]
    images = draw(st.permutations(images))
    return [label for label, _ in images], [patient for _, patient in images], draw(st.integers(0, 2**31))


@settings(max_examples=500, deadline=None)
@given(studies())
def test_no_group_is_in_two_folds_and_shares_are_near(study: tuple[list[str], list[int], int]) -> None:
    labels, groups, seed = study
    assume(
        all(
            len({g for label, g in zip(labels, groups, strict=True) if label == k}) >= 3 for k in ("normal", "abnormal")
        )
    )
    numbers = folds(labels, groups, 3, seed)
    assert np.array_equal(numbers, folds(labels, groups, 3, seed))
    for group in set(groups):
        assert len({number for number, own in zip(numbers, groups, strict=True) if own == group}) == 1
    largest = max(groups.count(group) for group in set(groups))
    for label in ("normal", "abnormal"):
        counts = np.bincount(numbers[np.array(labels) == label], minlength=3)
        assert counts.max() - counts.min() <= 2 * largest  # whole groups cannot be dealt out finer


@settings(max_examples=100, deadline=None)
@given(studies(), st.sampled_from([0.1, 0.2, 0.33, 0.5]))
def test_a_split_holds_both_classes_on_both_sides(study: tuple[list[str], list[int], int], share: float) -> None:
    labels, groups, seed = study
    assume(
        all(
            len({g for label, g in zip(labels, groups, strict=True) if label == k}) >= 2 for k in ("normal", "abnormal")
        )
    )
    try:
        chosen = grouped_split(labels, groups, share, seed)
    except DataError as error:
        assert "holds nearly all of a class" in str(error)
        return
    assert {label for label, c in zip(labels, chosen, strict=True) if c} == {"normal", "abnormal"}
    assert {label for label, c in zip(labels, chosen, strict=True) if not c} == {"normal", "abnormal"}
    assert not {g for g, c in zip(groups, chosen, strict=True) if c} & {
        g for g, c in zip(groups, chosen, strict=True) if not c
    }


def test_too_few_groups_say_which_class() -> None:
    with pytest.raises(DataError, match=r"class abnormal has 2 group\(s\).*too few for 3"):
        folds(["normal"] * 5 + ["abnormal"] * 4, [0, 1, 2, 3, 4, 5, 5, 6, 6], 3, seed=0)


def test_keys_and_pairs_join_into_groups() -> None:
    keys = [("p1", "a"), ("p1", "b"), ("", "c"), ("", "c"), ("", "d"), ("", "")]
    groups = join(keys, np.array([[3, 4]]))
    assert groups[0] == groups[1]
    assert groups[2] == groups[3] == groups[4]
    assert len({groups[0], groups[2], groups[5]}) == 3
