"""Whether the maps show the lesion, and what the model goes by: against known boxes or masks.

python -m benchmarks.localisation --Path ProcessedFolder --split val --Path_Checkpoint ViT.ckpt
--OUTPUT folder leaves localisation.csv, localisation_images.csv and localisation.png.

Every method is judged on the diseased images that the model finds and whose lesion is known, with
--missed_too also on those that it misses: hits, the share of maps whose peak lies in the lesion or
within --tolerance of it (pointing game: Zhang et al. 2018, Int J Comput Vis 126:1084); energy, the
share of a map inside the lesion (Wang et al. 2020, "Score-CAM", section 4.3); average precision of
its pixels. A map without any evidence counts as an even one. Then deletion, insertion and the
sanity check of benchmarks.faithfulness. Baselines know no model: a bump in the centre, the vessels,
noise. Intervals are of 95 %, each by itself: percentiles of 2,000 draws of whole groups.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.filters import sato
from sklearn.metrics import average_precision_score
from torch import Tensor
from tqdm import tqdm

import errors
from benchmarks import faithfulness
from benchmarks.faithfulness import Estimates, Probability, interval
from benchmarks.localisation_tables import METRICS, REFERENCES, Results, write_images
from data import processed
from data.dataset import CoronaryDataset
from data.preprocessing import as_float
from data.processed import Processed, Sample
from data.readers import DataError
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.device import torch_device
from vit.explain import METHODS
from vit.heatmap import upsampled
from vit.views import views_of

SANE = 30  # images of the sanity check
WIDTHS = (64, 32, 16)  # image edge / standard deviation of the ridges that are vessels
BUMP = 8  # image edge / standard deviation of the bump in the centre


@dataclass(frozen=True)
class Found:
    """The images that are judged: diseased ones whose lesion is known."""

    samples: list[Sample]
    images: Tensor  # (n, C, H, W)
    lesions: NDArray  # (n, H, W) bool

    @property
    def groups(self) -> list[str]:
        """The group of each image; one without a group stands alone."""
        return [sample.group or sample.path for sample in self.samples]


def gather(
    folder: Processed,
    split: str,
    source: Checkpoint,
    probability: Probability,
    missed_too: bool = False,
) -> Found:
    """The images that are judged: those that the model finds, or ``missed_too`` all.

    Raises:
        DataError: there is none, or the classes are not those of the checkpoint.
    """
    name = source.positive
    if folder.class_names != source.class_names:
        raise DataError(
            f"{folder.folder}: got classes {', '.join(folder.class_names)}, "
            f"the checkpoint knows {', '.join(source.class_names)}"
        )
    data = CoronaryDataset(folder, split, source.preprocessing)
    diseased = [i for i, sample in enumerate(data.samples) if sample.label == name]
    known = {i: folder.lesion(data.samples[i]) for i in diseased}
    masks = {i: mask for i, mask in known.items() if mask is not None and mask.any()}
    if not masks:
        raise DataError(
            f"{folder.folder}: no {name} image of {split} has a known lesion; wanted "
            "lesion_boxes_xyxy or mask in its manifest.csv, which data.prepare takes from that of "
            "the raw images"
        )
    images = torch.stack([data[0, i][0] for i in masks])
    found = probability(images) >= source.threshold
    print(
        f"{folder.folder}, {split}: {len(diseased)} {name} images, {len(masks)} with a known "
        f"lesion, {found.sum()} found at the threshold {source.threshold:.3g}"
    )
    if missed_too:
        found = np.ones_like(found)
    if not found.any():
        raise DataError(
            f"{folder.folder}: the model finds none of them; "
            "maps of wrong answers are not judged here"
        )
    samples = [data.samples[i] for i, hit in zip(masks, found, strict=True) if hit]
    size = source.preprocessing.image_size
    lesions = np.array([_lesion(mask, size) for mask in masks.values()])
    return Found(samples, images[found], lesions[found])


def _lesion(mask: NDArray, size: int) -> NDArray:
    """(S, S) bool; no lesion is too small to be left."""
    share = as_float((mask != 0).astype(np.float16), size)
    return np.asarray(share > min(0.5, share.max() / 2))


def baselines(images: Tensor, grid: tuple[int, int], vessels: str, seed: int) -> dict[str, NDArray]:
    """(n, h, w) maps that know no model: centre, vesselness, random.

    Vesselness is that of Sato et al. 1998, Med Image Anal 2:143.
    """
    size = images.shape[-1]
    squared = (np.arange(size) - (size - 1) / 2) ** 2
    bump = np.exp(-(squared[:, None] + squared) / (2 * (size / BUMP) ** 2))
    widths = [size / width for width in WIDTHS]
    dark = vessels == "dark"
    greys = images.mean(dim=1).numpy()
    ridges = [sato(grey, widths, dark) for grey in greys]  # type: ignore[no-untyped-call]
    return {
        "centre": np.repeat(bump[None], len(images), axis=0),
        "vesselness": np.array(ridges),
        "random": np.random.default_rng(seed).random((len(images), *grid)),
    }


def localised(map_: NDArray, lesion: NDArray, tolerance: float) -> tuple[float, float, float]:
    """Hit, energy and average precision of one map, (h, w), over a lesion, (H, H) bool.

    tolerance: how far from the lesion a peak may lie, a share of the edge. Of several equal peaks a
    hit is the share of them that lie there.
    """
    big = upsampled(map_, lesion.shape)
    big = big if big.any() else np.ones_like(big)
    near = distance_transform_edt(~lesion) <= tolerance * len(lesion)
    hit = float(near[big == big.max()].mean())
    energy = float(big[lesion].sum() / big.sum())
    return hit, energy, float(average_precision_score(lesion.ravel(), big.ravel()))


def judge(maps: dict[str, NDArray], lesions: NDArray, tolerance: float) -> dict[str, NDArray]:
    """(n, 3) metrics by method."""
    return {
        name: np.array([localised(*pair, tolerance) for pair in zip(own, lesions, strict=True)])
        for name, own in tqdm(maps.items(), "lesions", leave=False)
    }


def estimates(judged: dict[str, NDArray], groups: Sequence[str]) -> Estimates:
    """Each metric of (n, 3) by method, and its paired differences from REFERENCES."""
    result: Estimates = {}
    for name, own in judged.items():
        row = {metric: interval(own[:, i], groups) for i, metric in enumerate(METRICS)}
        for other in REFERENCES:
            if other in judged and other != name:
                change = own - judged[other]
                for i, metric in enumerate(METRICS):
                    row[f"{metric}_minus_{other}"] = interval(change[:, i], groups)
        result[name] = row
    return result


def evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of ``count`` numbers, evenly spaced."""
    return sorted(set(np.linspace(0, count - 1, min(count, wanted)).round().astype(int).tolist()))


def localise(given: argparse.Namespace) -> None:
    """Judge the maps of a checkpoint, and write what came of it."""
    device = torch_device(given.device)
    source = checkpoint.load(given.Path_Checkpoint)
    models = [model.to(device) for model in source.models]
    grid = models[0].grid
    views = views_of(source.config)
    probability = faithfulness.positive(models, source.temperature, views)
    folder = processed.load(given.Path)
    found = gather(folder, given.split, source, probability, given.missed_too)
    given.OUTPUT.mkdir(parents=True, exist_ok=True)
    images = found.images
    groups = found.groups
    maps = {
        name: faithfulness.explained(models, images, name, views)
        for name in tqdm(given.methods, "maps", leave=False)
    }
    maps.update(baselines(images, grid, given.vessels, given.seed))
    judged = judge(maps, found.lesions, given.tolerance)
    rows = estimates(judged, groups)
    some = evenly(len(images), given.faithful)
    if some:
        own_maps = {name: own[some] for name, own in maps.items()}
        scored = faithfulness.scores(probability, images[some], own_maps, grid, given.seed)
        for name, row in faithfulness.faithful(scored, [groups[i] for i in some]).items():
            rows[name] = rows.get(name, {}) | row
    few = evenly(len(images), SANE)
    which = (source.config, images[few], [groups[i] for i in few], given.seed)
    sane = {
        name: faithfulness.sanity(partial(faithfulness.explained, method=name), models, *which)
        for name in tqdm(given.methods, "sanity", leave=False)
    }
    peaks = {name: np.nan_to_num(own).max(axis=(1, 2)) for name, own in maps.items()}
    results = Results(rows, sane, {name: int((top <= 0).sum()) for name, top in peaks.items()})
    counts = f"{len(images)} images of {len(set(groups))} groups"
    print(f"{counts}; {len(some)} for faithfulness, {len(few)} for sanity; 95 % intervals")
    results.print()
    results.write(given.OUTPUT / "localisation.csv")
    write_images(found.samples, judged, given.OUTPUT / "localisation_images.csv")
    title = f"{given.Path_Checkpoint}, {given.Path} {given.split}: {counts}"
    results.draw(title, given.OUTPUT / "localisation.png")
    print(f"wrote localisation.csv, localisation_images.csv and localisation.png to {given.OUTPUT}")


def main(argv: list[str]) -> None:
    """Judge as the command line says; a user's mistake ends in one line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.localisation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--Path", type=Path, required=True, help="a ProcessedFolder with lesion boxes or masks"
    )
    parser.add_argument("--split", default="val", choices=processed.SPLITS)
    parser.add_argument("--Path_Checkpoint", type=Path, default=Path("ViT.ckpt"))
    parser.add_argument("--OUTPUT", type=Path, required=True, help="a folder")
    parser.add_argument(
        "--missed_too", action="store_true", help="judge the maps of missed lesions as well"
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument(
        "--vessels", default="dark", choices=("dark", "bright"), help="dark: X-ray; bright: CT"
    )
    parser.add_argument(
        "--tolerance", type=float, default=1 / 16, help="of the pointing game, a share of the edge"
    )
    parser.add_argument(
        "--faithful", type=int, default=200, help="images for deletion and insertion; 0: none"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of noise, random orders and new weights"
    )
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    with errors.ending_in_one_line():
        localise(parser.parse_args(argv))


if __name__ == "__main__":
    errors.run(main)
