"""Faults that no single image shows: odd ones out, uneven classes, copies and leaks."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from numpy.typing import NDArray

from data.findings import Finding
from data.looks import Look
from data.samples import SPLITS, Sample
from metrics.groups import shared

ORDER = (*SPLITS, "")  # of splits: of a leak the later image is at fault
UNEVEN = 4  # times as many images of one class as of another
Balance = dict[str, dict[str, int]]  # for each split and class the number of images


def uneven(balance: Balance) -> Iterator[Finding]:
    """Splits that lack a class, or have far fewer images of one than of another."""
    for split, counts in balance.items():
        least = min(counts, key=counts.__getitem__)
        most = max(counts, key=counts.__getitem__)
        if counts[least] * UNEVEN <= counts[most]:
            detail = f"{split}: {counts[least]} images of {least}, {counts[most]} of {most}"
            yield Finding("uneven" if counts[least] else "class_missing", [], detail)


def odd(looks: list[Look], folder: Path) -> Iterator[Finding]:
    """Images whose size, or whose format and depth, is not that of most."""
    paths = [look.sample.path for look in looks]
    yield from _unusual("odd_size", paths, [look.size for look in looks], folder)
    yield from _unusual("odd_depth", paths, [look.depth for look in looks], folder)


def _unusual(kind: str, paths: list[str], values: list[str], folder: Path) -> Iterator[Finding]:
    usual, count = Counter(values).most_common(1)[0]
    if 2 * count <= len(values):
        return
    for path, value in zip(paths, values, strict=True):
        if value != usual:
            yield Finding(kind, [path], f"{folder / path}: got {value}, most are {usual}")


def repeated(looks: list[Look], pairs: NDArray) -> Iterator[Finding]:
    """Groups in two splits, identical files, and pairs of images that are nearly identical.

    Args:
        looks: n images.
        pairs: (pairs, 2) indices of images that show the same picture.
    """
    samples = [look.sample for look in looks]
    yield from _across_splits(samples)
    links = {(int(i), int(j)) for i, j in pairs}
    for tied in shared([(look.sha256,) for look in looks]):
        tied.sort(key=lambda i: _side(samples[i]))
        links.update((min(tied[0], i), max(tied[0], i)) for i in tied[1:])
        labels = {samples[i].label for i in tied}
        kind = "identical" if len(labels) == 1 else "labels_contradict"
        yield Finding(kind, [samples[i].path for i in tied])
    for link in sorted(links):
        first, second = sorted((looks[i] for i in link), key=lambda look: _side(look.sample))
        yield from _of_pair(first, second)


def _side(sample: Sample) -> int:
    return ORDER.index(sample.split)


def _across_splits(samples: list[Sample]) -> Iterator[Finding]:
    for tied in shared([(sample.group,) for sample in samples]):
        members = sorted((samples[i] for i in tied), key=_side)
        if members[0].split != members[-1].split:
            files = [sample.path for sample in members]
            detail = f"group {members[0].group}: {len(members)} images"
            yield Finding("group_across_splits", files, detail)


def _of_pair(first: Look, second: Look) -> Iterator[Finding]:
    """What is wrong with two images that show the same picture, the earlier split first."""
    files = [first.sample.path, second.sample.path]
    same_split = first.sample.split == second.sample.split
    same_label = first.sample.label == second.sample.label
    if not same_split:
        yield Finding("leak", files)
    if first.sha256 == second.sha256:
        return  # told as identical files already
    if not same_label:
        yield Finding("similar_contradict", files)
    elif same_split:
        yield Finding("near_duplicate", files)
