"""benchmarks.few_images: training images of whole groups, as many of each class."""

import pytest

from benchmarks.few_images import drawn
from data.readers import DataError
from data.tables import Row


def rows(groups: int) -> list[Row]:
    """Groups of one image of each class, and one that is too large to be drawn."""
    pairs = [(f"g{n}", label) for n in range(groups) for label in ("normal", "abnormal")]
    pairs += [("big", "normal")] * 7
    return [
        {"path": f"{number}.npy", "group": group, "label": label}
        for number, (group, label) in enumerate(pairs)
    ]


def test_whole_groups_and_as_many_of_each_class() -> None:
    for seed in range(5):
        chosen = drawn(rows(20), 10, seed)
        groups = {row["group"] for row in chosen}
        assert [row["label"] for row in chosen].count("normal") == 5 == len(chosen) / 2
        assert chosen != drawn(rows(20), 10, seed + 5)
        held = [row for row in rows(20) if row["group"] in groups]
        assert sorted(row["path"] for row in chosen) == sorted(row["path"] for row in held)


def test_more_images_than_there_are() -> None:
    with pytest.raises(DataError, match=r"got 6 images of whole groups, wanted 10"):
        drawn(rows(3), 10, 0)
