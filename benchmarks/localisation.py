"""Whether the maps show the lesion, and what the model goes by: every method against known boxes or
masks.

python -m benchmarks.localisation --Path ProcessedFolder --split val --Path_Checkpoint ViT.ckpt
--OUTPUT folder leaves localisation.csv, localisation_images.csv and localisation.png.

On the diseased images that the model finds and whose lesion is known: hits, the share of maps whose
peak lies in the lesion or within --tolerance of it (pointing game: Zhang et al. 2018, Int J Comput
Vis 126:1084); energy, the share of a map inside the lesion (Wang et al. 2020, "Score-CAM", section
4.3); average precision of its pixels. A map without any evidence counts as an even one. Then
deletion, insertion and the sanity check of benchmarks.faithfulness. Baselines know no model: a bump
in the centre, the vessels, noise. Intervals are of 95 %, each by itself: percentiles of 2,000 draws
of whole groups.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from skimage.filters import sato
from sklearn.metrics import average_precision_score
from torch import Tensor
from tqdm import tqdm

from benchmarks import faithfulness
from benchmarks.faithfulness import Array, Probability, Rows, Sanity, interval
from data import processed
from data.dataset import CoronaryDataset, as_float
from data.readers import DataError
from report.plots import upsampled
from vit import checkpoint
from vit.archive import CheckpointError
from vit.device import DeviceError, torch_device
from vit.explain import METHODS

METRICS = {"hit": "hits", "energy": "energy in the lesion", "ap": "average precision of pixels"}
REFERENCES = ("centre", "vesselness", "attention")
SANE = 30  # images of the sanity check
WIDTHS = (64, 32, 16)  # image edge / standard deviation of the ridges that are vessels
BUMP = 8  # image edge / standard deviation of the bump in the centre


def gather(
    folder: processed.Processed, split: str, about: dict[str, Any], probability: Probability
) -> tuple[list[processed.Sample], Tensor, Array]:
    """Samples, (n, C, H, W) images and (n, H, W) lesions of the images that are diseased, known and
    found.
    """
    name = folder.class_names[-1]
    size = about["config"]["image_size"]
    how = about["preprocessing"]
    if folder.class_names != about["class_names"]:
        raise DataError(
            f"{folder.folder}: got classes {', '.join(folder.class_names)}, "
            f"the checkpoint knows {', '.join(about['class_names'])}"
        )
    data = CoronaryDataset(
        folder, split, size, how["mean"], how["std"], about["config"]["num_channels"]
    )
    diseased = [i for i, sample in enumerate(data.samples) if sample.label == name]
    masks = {
        i: mask
        for i in diseased
        if (mask := folder.lesion(data.samples[i])) is not None and mask.any()
    }
    if not masks:
        raise DataError(
            f"{folder.folder}: no {name} image of {split} has a known lesion; wanted lesion_boxes_xyxy or "
            "mask in its manifest.csv, which data.prepare takes from that of the raw images"
        )
    images = torch.stack([data[0, i][0] for i in masks])
    found = probability(images) >= about["threshold"]
    print(
        f"{folder.folder}, {split}: {len(diseased)} {name} images, {len(masks)} with a known lesion, {found.sum()} "
        f"found at the threshold {about['threshold']:.3g}"
    )
    if not found.any():
        raise DataError(
            f"{folder.folder}: the model finds none of them; maps of wrong answers are not judged here"
        )
    shares = [as_float((mask != 0).astype(np.float16), size) for mask in masks.values()]
    lesions = np.array(
        [share > min(0.5, share.max() / 2) for share in shares]
    )  # none is too small to be left
    return (
        [data.samples[i] for i, hit in zip(masks, found, strict=True) if hit],
        images[found],
        lesions[found],
    )


def baselines(images: Tensor, grid: tuple[int, int], vessels: str, seed: int) -> dict[str, Array]:
    """(n, h, w) maps that know no model: centre, vesselness (Sato et al. 1998, Med Image Anal
    2:143), random.
    """
    size = images.shape[-1]
    squared = (np.arange(size) - (size - 1) / 2) ** 2
    bump = np.exp(-(squared[:, None] + squared) / (2 * (size / BUMP) ** 2))
    widths = [size / width for width in WIDTHS]
    dark = vessels == "dark"
    greys = images.mean(dim=1).numpy()
    ridges = [sato(grey, widths, dark) for grey in greys]  # type: ignore[no-untyped-call]
    noise = np.random.default_rng(seed).random((len(images), *grid))
    return {
        "centre": np.repeat(bump[None], len(images), axis=0),
        "vesselness": np.array(ridges),
        "random": noise,
    }


def localised(map_: Array, lesion: Array, tolerance: float) -> tuple[float, float, float]:
    """Hit, energy and average precision of one map, (h, w), over a lesion, (H, H) bool.

    tolerance: how far from the lesion a peak may lie, a share of the edge. Of several equal peaks a
    hit is the share of them that lie there.
    """
    big = upsampled(map_, lesion.shape)
    big = big if big.any() else np.ones_like(big)
    near = distance_transform_edt(~lesion) <= tolerance * len(lesion)
    precision = average_precision_score(lesion.ravel(), big.ravel())
    return (
        float(near[big == big.max()].mean()),
        float(big[lesion].sum() / big.sum()),
        float(precision),
    )


def figures(judged: dict[str, Array], groups: Sequence[str]) -> Rows:
    """Each metric of (n, 3) by method, and its paired differences from REFERENCES."""
    rows: Rows = {}
    for name, own in judged.items():
        rows[name] = {metric: interval(own[:, i], groups) for i, metric in enumerate(METRICS)}
        for other in [other for other in REFERENCES if other in judged and other != name]:
            change = own - judged[other]
            rows[name] |= {
                f"{each}_minus_{other}": interval(change[:, i], groups)
                for i, each in enumerate(METRICS)
            }
    return rows


def evenly(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of ``count`` numbers, evenly spaced."""
    return sorted(set(np.linspace(0, count - 1, min(count, wanted)).round().astype(int).tolist()))


def show(title: str, columns: Sequence[str], rows: dict[str, list[str]]) -> None:
    widths = [max(map(len, column)) + 2 for column in zip(columns, *rows.values(), strict=True)]
    print(
        f"\n{title}\n{'':<18}"
        + "".join(f"{name:>{width}}" for name, width in zip(columns, widths, strict=True))
    )
    for name, cells in rows.items():
        print(
            f"{name:<18}"
            + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        )


def tables(rows: Rows, sane: dict[str, Sanity], dead: dict[str, int]) -> None:
    for metric, title in METRICS.items():
        names = [metric, *(f"{metric}_minus_{other}" for other in REFERENCES)]
        names = [name for name in names if any(name in row for row in rows.values())]
        heads = [name.replace(f"{metric}_", "").replace("_", " ") for name in names]
        own = {
            method: [str(row.get(name, "")) for name in names]
            for method, row in rows.items()
            if metric in row
        }
        show(title, heads, own)
    heads = ["deletion", "insertion", "deletion_gain", "insertion_gain"]
    own = {
        method: [str(row.get(name, "")) for name in heads]
        for method, row in rows.items()
        if heads[0] in row
    }
    if own:
        show("faithfulness; gain: against random orders, positive is better for both", heads, own)
    stages = list(next(iter(sane.values())).stages) if sane else []
    own = {
        name: [f"{value:.3f}" for value in (*each.stages.values(), each.unrelated)]
        + [("FAIL", "pass")[each.passed]]
        for name, each in sane.items()
    }
    show(
        "sanity: SSIM with the original map after forgetting, and of two images",
        [*stages, "two images", ""],
        own,
    )
    print(
        "\nimages without any evidence:",
        ", ".join(f"{name} {count}" for name, count in dead.items() if count) or 0,
    )


def draw(rows: Rows, title: str, path: Path) -> None:
    """A panel for each metric: the methods with their intervals, the baselines in grey below them."""
    names = [name for name in rows if "hit" in rows[name]][::-1]
    figure, panels = plt.subplots(
        1, 3, figsize=(10, 1.2 + 0.32 * len(names)), sharey=True, layout="constrained"
    )
    figure.suptitle(
        f"{title}\nbars: 95 % intervals; grey: what knows no model, dotted its best", fontsize=9
    )
    for panel, (metric, label) in zip(panels, METRICS.items(), strict=True):
        for place, name in enumerate(names):
            # Okabe and Ito's blue
            own = rows[name][metric]
            colour = "#0072b2" if name in METHODS else "0.55"
            panel.plot(
                [own.low, own.high],
                [place, place],
                color=colour,
                linewidth=2,
                solid_capstyle="butt",
            )
            panel.plot(own.value, place, "o", color=colour, markersize=6)
        best = max(rows[name][metric].value for name in names if name not in METHODS)
        panel.axvline(best, color="0.55", linestyle=":", linewidth=1, zorder=0)
        panel.set_xlabel(label, fontsize=9)
        panel.set_xlim(left=0)
        panel.set_yticks(range(len(names)), names, fontsize=9)
        panel.tick_params(axis="x", labelsize=8)
        panel.grid(axis="x", color="0.92")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def write(rows: Rows, sane: dict[str, Sanity], dead: dict[str, int], path: Path) -> None:
    """A row for each method: every figure with its ends, maps without evidence, and the sanity
    check.
    """
    table = []
    for method, row in rows.items():
        cells: dict[str, Any] = {"method": method, "images_without_evidence": dead.get(method, "")}
        for name, figure in row.items():
            cells |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        if own := sane.get(method):
            cells |= {
                f"ssim_{stage.replace(' ', '_')}": value for stage, value in own.stages.items()
            }
            cells |= {"ssim_two_images": own.unrelated, "sanity": "pass" if own.passed else "fail"}
        table.append(
            {
                name: f"{cell:.6g}" if isinstance(cell, float) else cell
                for name, cell in cells.items()
            }
        )
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(
            file, list(dict.fromkeys(name for cells in table for name in cells)), restval=""
        )
        lines.writeheader()
        lines.writerows(table)


def main(argv: list[str]) -> None:
    """Raises ValueError for data, checkpoint or device that cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--Path", type=Path, required=True, help="a ProcessedFolder with lesion boxes or masks"
    )
    parser.add_argument("--split", default="val", choices=processed.SPLITS)
    parser.add_argument("--Path_Checkpoint", type=Path, default=Path("ViT.ckpt"))
    parser.add_argument("--OUTPUT", type=Path, required=True, help="a folder")
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
    given = parser.parse_args(argv)
    device = torch_device(given.device)
    models, about = checkpoint.load(given.Path_Checkpoint)
    models = [model.to(device) for model in models]
    probability = faithfulness.positive(models, about["temperature"])
    samples, images, lesions = gather(processed.load(given.Path), given.split, about, probability)
    given.OUTPUT.mkdir(parents=True, exist_ok=True)
    groups = [sample.group or sample.path for sample in samples]
    maps = {
        name: faithfulness.explained(models, images, name)
        for name in tqdm(given.methods, "maps", leave=False)
    }
    maps |= baselines(images, models[0].grid, given.vessels, given.seed)
    dead = {
        name: int((np.nan_to_num(own).max(axis=(1, 2)) <= 0).sum()) for name, own in maps.items()
    }
    judged = {
        name: np.array(
            [
                localised(map_, lesion, given.tolerance)
                for map_, lesion in zip(own, lesions, strict=True)
            ]
        )
        for name, own in tqdm(maps.items(), "lesions", leave=False)
    }
    rows = figures(judged, groups)
    some = evenly(len(images), given.faithful)
    few = evenly(len(images), SANE)
    if some:
        own_maps = {name: own[some] for name, own in maps.items()}
        scored = faithfulness.scores(
            probability, images[some], own_maps, models[0].grid, given.seed
        )
        for name, row in faithfulness.faithful(scored, [groups[i] for i in some]).items():
            rows[name] = rows.get(name, {}) | row
    which = about["config"], images[few], [groups[i] for i in few], given.seed
    sane = {
        name: faithfulness.sanity(partial(faithfulness.explained, method=name), models, *which)
        for name in tqdm(given.methods, "sanity", leave=False)
    }
    counts = f"{len(images)} images of {len(set(groups))} groups"
    print(f"{counts}; {len(some)} for faithfulness, {len(few)} for sanity; 95 % intervals")
    tables(rows, sane, dead)
    write(rows, sane, dead, given.OUTPUT / "localisation.csv")
    with (given.OUTPUT / "localisation_images.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "method", *METRICS])
        for name, own in judged.items():
            for sample, row in zip(samples, own, strict=True):
                lines.writerow([sample.path, name, *map("{:.6g}".format, row)])
    title = f"{given.Path_Checkpoint}, {given.Path} {given.split}: {counts}"
    draw(rows, title, given.OUTPUT / "localisation.png")
    print(f"wrote localisation.csv, localisation_images.csv and localisation.png to {given.OUTPUT}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (DataError, CheckpointError, DeviceError) as error:
        sys.exit(str(error))
