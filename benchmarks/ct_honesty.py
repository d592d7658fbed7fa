"""Whether made-up reformations tell their label by anything but the lesion.

python -m benchmarks.ct_honesty --count 4000 --image_size 64

Cross-validated AUROC of logistic regressions, whole patients left out: on all pixels, and on what
should tell nothing. Pixels may reach WHOLE, each of the others APART.
"""

import argparse
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import errors
from data.workers import on_all_cores
from phantoms.mpr import phantom

WHOLE, APART = 0.65, 0.58  # the bars
FRAME = 0.06  # share of the edge that counts as border
FOLDS = 5
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]


def look(index: int, seed: int, image_size: int) -> tuple[bool, int, dict[str, NDArray]]:
    """Label, patient and what each probe sees of picture ``index``."""
    made = phantom(seed, index, image_size)
    grey = made.image
    wide = max(2, round(FRAME * image_size))
    frame = (grey[:wide], grey[-wide:], grey[:, :wide].T, grey[:, -wide:].T)
    views = {
        "pixels": grey.ravel().astype(np.float32),
        "border": np.concatenate([side.mean(0) for side in frame]),
        "mean brightness": np.array([grey.mean()]),
        "spread of brightness": np.array([grey.std()]),
        "PNG size": np.array([len(cv2.imencode(".png", grey)[1])]),
        "JPEG size": np.array([len(cv2.imencode(".jpg", grey, QUALITY)[1])]),
        "saturated pixels": np.array([(grey >= 250).mean()]),
        "black pixels": np.array([(grey <= 4).mean()]),
        "field": np.array([made.field]),
        "artery": np.array([made.artery == "RCA", made.artery == "LAD"]),
    }
    return made.label == "abnormal", made.patient, views


def auroc(x: NDArray, y: NDArray, patients: NDArray) -> float:
    """Of the scores that a model gives to patients that it has not seen."""
    model = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=1 / x.shape[1], class_weight="balanced", max_iter=300),
    )
    folds = GroupKFold(FOLDS)
    scores = cross_val_predict(model, x, y, groups=patients, cv=folds, method="decision_function")
    return float(roc_auc_score(y, scores))


def main(argv: list[str]) -> None:
    """Print the AUROC of each probe."""
    parser = argparse.ArgumentParser("python -m benchmarks.ct_honesty", description=__doc__)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--image_size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=None)
    given = parser.parse_args(argv)
    work = partial(look, seed=given.seed, image_size=given.image_size)
    seen = on_all_cores(work, range(given.count), "phantoms", 16, given.workers)
    y = np.array([label for label, _, _ in seen])
    patients = np.array([patient for _, patient, _ in seen])
    print(f"{len(y)} pictures of {given.image_size} px, {y.mean():.3f} abnormal")
    for view in seen[0][2]:
        area = auroc(np.array([views[view] for _, _, views in seen]), y, patients)
        limit = WHOLE if view == "pixels" else APART
        print(
            f"{view:22s} {area:.3f}  {'' if area <= limit else 'above ' + str(limit)}", flush=True
        )


if __name__ == "__main__":
    errors.run(main)
