"""AUROC of predictions for each value of a manifest column, such as the lesion type, against all negative images.

python benchmarks/lesion_types.py --predictions predictions.csv --manifest ProcessedFolder/manifest.csv
"""

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

BOOTSTRAPS = 1000


def interval(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of the AUROC, drawing whole groups (Field and Welsh 2007, cluster bootstrap)."""
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values: list[float] = []
    while len(values) < BOOTSTRAPS:
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        if 0 < labels[drawn].mean() < 1:
            values.append(roc_auc_score(labels[drawn], scores[drawn]))
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, default=Path("predictions.csv"))
    parser.add_argument("--manifest", type=Path, default=Path("ProcessedFolder/manifest.csv"))
    parser.add_argument("--column", default="lesion_type", help="manifest column; several values are joined by ;")
    arguments = parser.parse_args()
    for path in (arguments.predictions, arguments.manifest):
        if not path.is_file():
            sys.exit(f"{path}: no such file")
    predictions = list(csv.DictReader(arguments.predictions.open(encoding="utf-8")))
    manifest = {row["path"]: row for row in csv.DictReader(arguments.manifest.open(encoding="utf-8"))}
    rows = [(row, manifest.get("/".join(row["path"].split("/")[-3:]))) for row in predictions]
    known = [(row, about) for row, about in rows if about is not None]
    if not known:
        sys.exit(f"{arguments.manifest}: lists none of the images of {arguments.predictions}")
    positive = [name for name in predictions[0] if name.startswith("probability_")][-1]
    labels = np.array([about["label"] == positive.removeprefix("probability_") for _, about in known])
    scores = np.array([float(row[positive]) for row, _ in known])
    groups = np.array([about["group"] for _, about in known])
    kinds: dict[str, list[int]] = defaultdict(list)
    for i, (_, about) in enumerate(known):
        for kind in set(about.get(arguments.column, "").split(";")) - {""}:
            kinds[kind].append(i)
    print(f"{'AUROC':<14}{'95 % interval':>18}{'positive':>10}{'negative':>10}{'groups':>8}")
    negatives = np.flatnonzero(~labels)
    for name, chosen in [("all", np.flatnonzero(labels).tolist()), *sorted(kinds.items())]:
        part = np.concatenate([negatives, chosen]).astype(int)
        low, high = interval(labels[part], scores[part], groups[part])
        area = roc_auc_score(labels[part], scores[part])
        count = len(set(groups[part]))
        print(f"{area:.3f} {name:<8}{low:>11.3f} to {high:.3f}{len(chosen):>10}{len(negatives):>10}{count:>8}")


if __name__ == "__main__":
    main()
