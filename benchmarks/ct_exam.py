"""A model of made-up reformations before new made-up patients, and before real pictures.

python -m benchmarks.ct_exam --Path_Checkpoint ViT.ckpt --others 'XRAY/**/*.png' --Path REAL

The exam was fixed before any model was trained: PATIENTS patients of SEED, one picture each, as
hard as in patients; sites, grades, look-alikes and scanners as phantoms/lesions.py, examination.py
and scanner.py draw them. Without ``--Path_Checkpoint`` it only says what it is made of. Intervals
are of 95 %: bootstrap of patients for AUROC, Clopper and Pearson 1934 for shares.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.stats import beta

import errors
from benchmarks.uncertainty import unlike_images
from data.workers import on_all_cores
from metrics.intervals import evaluate
from phantoms.examination import examine
from phantoms.lesions import Lesion
from phantoms.mpr import phantom
from phantoms.scanner import USUAL
from vit import checkpoint, torch_predictor
from vit.heatmap import upsampled
from vit.map_request import DEFAULT, MapRequest
from vit.views import evidence_of, logits_of

SEED = 161616
PATIENTS = 1500
NARROW = 50.0  # percent of the diameter, from which a grade counts
REACH = 8 / 256  # of the edge: how far from a lesion its peak may lie
BANDS = ((0.0, 30.0), (30.0, 50.0), (50.0, 70.0), (70.0, 100.0), (100.0, 101.0))
TOGETHER = 32  # images at a time


@dataclass(frozen=True)
class Case:
    """One picture of the exam.

    Args:
        image: (S, S) grey; ``lesion``: (S, S), 1 = plaque.
        lesions: none when normal.
        alike: what may be taken for a lesion: "calcium beside it", "stent", "motion step".
    """

    image: NDArray
    lesion: NDArray
    lesions: tuple[Lesion, ...]
    alike: tuple[str, ...]

    @property
    def worst(self) -> Lesion:
        """The narrowest lesion."""
        return max(self.lesions, key=lambda lesion: lesion.grade)


def draw(number: int, size: int) -> Case:
    """Case ``number``."""
    made = phantom(SEED, number, size, 1, 1)
    exam = examine(SEED, number, 0, 1.0, USUAL)
    signs = {
        "calcium beside it": bool(exam.decoys),
        "stent": bool(exam.stents),
        "motion step": bool(len(exam.steps[0])),
    }
    alike = tuple(name for name, there in signs.items() if there)
    return Case(made.image, made.lesion, made.lesions, alike)


def share(hits: int, count: int) -> str:
    """A share with its interval."""
    low = beta.ppf(0.025, hits, count - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, count - hits) if hits < count else 1.0
    return f"{hits / max(1, count):.3f} ({low:.3f} to {high:.3f}), {hits} of {count}"


def kinds_of(cases: list[Case]) -> Iterator[tuple[str, NDArray]]:
    """Parts of the abnormal cases by name: (n,) which cases."""
    abnormal = np.array([bool(case.lesions) for case in cases])
    grades = np.array([case.worst.grade if case.lesions else -1 for case in cases])
    narrow = grades >= NARROW
    yield "all", abnormal
    yield f"grade {NARROW:g} % and more", narrow
    for low, high in BANDS:
        yield f"grade {low:g} to {min(high, 100):g} %", (grades >= low) & (grades < high)
    for field in ("kind", "form", "place"):
        values = np.array([getattr(case.worst, field) if case.lesions else "" for case in cases])
        for value in sorted(set(values[abnormal])):
            yield f"{value}, {NARROW:g} % and more", narrow & (values == value)


def say_composition(cases: list[Case]) -> None:
    """Print what the exam is made of."""
    normal = [case for case in cases if not case.lesions]
    print(f"exam: seed {SEED}, {len(cases)} patients, {len(normal)} normal")
    for name in ("calcium beside it", "stent", "motion step"):
        print(f"  normal with {name:28s}{share(sum(name in c.alike for c in normal), len(normal))}")
    for name, chosen in kinds_of(cases):
        print(f"  abnormal, {name:40s}{chosen.sum()}")


@dataclass(frozen=True)
class Answers:
    """What a model says of n images: (n,) probability of the last class, (n,) distance."""

    scores: NDArray
    distances: NDArray


def ask(source: checkpoint.Checkpoint, images: list[torch.Tensor]) -> Answers:
    """The answers of a checkpoint."""
    net, usual = source.models[0], source.familiarity[0]
    scores, distances = [], []
    with torch.inference_mode():
        for part in torch.split(torch.stack(images), TOGETHER):
            scores.append((logits_of(source, part) / source.temperature).softmax(1)[:, -1])
            distances.append(usual(net, part))
    return Answers(torch.cat(scores).numpy(), torch.cat(distances).numpy())


def peaks(source: checkpoint.Checkpoint, cases: list[Case], images: list[torch.Tensor]) -> NDArray:
    """(n,) distance of the peak of the default map from the nearest lesion, in edges."""
    far = []
    request = MapRequest(len(source.class_names) - 1)
    for start in range(0, len(cases), TOGETHER):
        part = torch.stack(images[start : start + TOGETHER])
        _, maps = evidence_of(source, part, request)
        for case, map_ in zip(cases[start : start + TOGETHER], maps.numpy(), strict=True):
            size = len(case.image)
            heat = upsampled(map_, (size, size))
            away = distance_transform_edt(case.lesion == 0)
            far.append(away.ravel()[np.nanargmax(heat)] / size)
    return np.array(far)


def judge(source: checkpoint.Checkpoint, cases: list[Case]) -> None:
    """Print the results of the exam."""
    images = [
        torch.from_numpy(source.preprocessing.standardised(case.image.astype(np.float32) / 255))
        for case in cases
    ]
    said = ask(source, images)
    normal = np.array([not case.lesions for case in cases])
    print("AUROC against all normal cases")
    for name, chosen in kinds_of(cases):
        part = chosen | normal
        area = evaluate(chosen[part], said.scores[part])["auroc"] if chosen.sum() > 1 else "-"
        print(f"  {name:40s}{area}, {chosen.sum()} abnormal", flush=True)
    found = [
        number
        for number, case in enumerate(cases)
        if case.lesions and case.worst.grade >= NARROW and said.scores[number] >= source.threshold
    ]
    away = peaks(source, [cases[k] for k in found], [images[k] for k in found])
    print(f"peak of {DEFAULT} within {REACH:.4f} of the edge, of found lesions of {NARROW:g} %")
    print(f"  {share(int((away <= REACH).sum()), len(away))}")
    print(f"flagged as unlike: {share(int((said.distances > 1).sum()), len(cases))}")


def judge_others(path: Path, others: list[str], real: list[str]) -> None:
    """Print which pictures of other kinds are flagged, and what is said of real ones."""
    source = checkpoint.load(path)
    for name, unlike in unlike_images(others, source):
        count = int((ask(source, unlike).distances > 1).sum())
        print(f"flagged of {name}: {share(count, len(unlike))}")
    asked = torch_predictor.load(path)
    for name in real:
        for one in asked.predict(name):
            print(
                f"{one.name}: truth {one.truth or '-'}, P(abnormal) {one.positive_probability:.3f} "
                f"at threshold {source.threshold:.3f}, distance {one.distance:.2f}"
            )


def main(argv: list[str]) -> None:
    """Examine as the command line says."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.ct_exam",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path_Checkpoint", type=Path)
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--others", nargs="*", default=[], help="pictures of other kinds")
    parser.add_argument("--Path", nargs="*", default=[], help="real reformations")
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        work = partial(draw, size=given.image_size)
        cases = on_all_cores(work, range(PATIENTS), "exam", 16)
        say_composition(cases)
        if given.Path_Checkpoint:
            judge(checkpoint.load(given.Path_Checkpoint), cases)
            judge_others(given.Path_Checkpoint, given.others, given.Path)


if __name__ == "__main__":
    errors.run(main)
