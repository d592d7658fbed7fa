"""A model's pictures: python -m report.pictures --Path IMAGE --Path_Checkpoint ViT.ckpt --OUTPUT
pictures

patches.png, filters.png, positions.png, heads.png, attention.gif, methods.png and model.png.
Without --Path they show one phantom, always the same, that no model of make demo has seen.
"""

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from data.dataset import as_float, to_tensor
from data.inputs import find, gather
from files import end_ctrl_c_in_one_line, written_whole
from phantoms.ct import SMALLEST, phantom
from report.overlay import STRIPE, Subject, striped, tile
from report.plots import colour_bar, shared_scale
from report.structure import diagram, filters, mosaic, numbered, positions
from vit import checkpoint
from vit.explain import METHODS, explain

SEED = 2021  # of the phantom; make demo trains on seed 0
GAP = 12  # px between images
# of the animation, at most: those of the last blocks; ms of a frame
FRAMES = 32
PAUSE = 800


def patches(subject: Subject) -> Figure:
    """The image, and the image cut into the model's patches; those that it leaves out are striped."""
    (rows, columns), edge = subject.model.grid, subject.model.embeddings.patch_embedding.patch_size
    tiles = (
        subject.image.astype(np.float32).reshape(rows, edge, columns, edge).swapaxes(1, 2).copy()
    )
    kept = subject.model.embeddings.kept(subject.batch)
    if kept is not None:
        unseen = np.setdiff1d(np.arange(rows * columns), kept[0].numpy())
        tiles.reshape(-1, edge, edge)[unseen] = np.where(striped((edge, edge), 1), STRIPE, 1)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.2, 4.4 * rows / columns + 0.7), layout="constrained"
    )
    left.imshow(subject.image, cmap="gray", vmin=0, vmax=1)
    left.set_title(f"the picture: {rows * edge} x {columns * edge} px", fontsize=11, pad=16)
    right.imshow(mosaic(tiles, max(1, edge // 4)), cmap="gray", vmin=0, vmax=1)
    left_out = "; striped: not seen" if kept is not None else ""
    right.set_title(
        f"{rows} x {columns} patches of {edge} x {edge} px{left_out}", fontsize=11, pad=16
    )
    last = rows * columns - 1
    for x, y, number in ((0, 1, 0), (1, 1, columns - 1), (0, 0, last + 1 - columns), (1, 0, last)):
        ends = {"ha": "right" if x else "left", "va": "bottom" if y else "top"}
        right.text(x, y, str(number), transform=right.transAxes, **ends)
    for axis in (left, right):
        axis.axis("off")
    return figure


def head_maps(subject: Subject) -> NDArray:
    """(blocks, heads, grid height, grid width) attention of CLS: 1 is an even share, NaN a patch
    not seen.
    """
    model = subject.model
    numbers = np.ndindex(len(model.blocks), model.num_heads)
    maps = [
        explain(model, subject.batch, "attention", layer=layer, head=head)[1]
        for layer, head in numbers
    ]
    return torch.cat(maps).view(len(model.blocks), model.num_heads, *model.grid).numpy()


def heads(subject: Subject, maps: NDArray) -> Figure:
    """The attention of CLS over the image: a row for each block, its mean and then a column for
    each head.
    """
    depth, count = maps.shape[:2]
    top = shared_scale(list(maps))
    whole = np.concatenate([maps.mean(axis=1, keepdims=True), maps], axis=1)
    tiles = np.stack([[tile(subject, map_, top) for map_ in block] for block in whole])
    (height, width), panel = tiles.shape[2:4], min(2.0, 14 / (count + 1))
    size = max(6.0, panel * (count + 1) + 1.6), panel * depth * height / width + 0.8
    figure, axis = plt.subplots(figsize=size, layout="compressed")
    axis.imshow(mosaic(tiles, GAP, 1.0))
    names = ["mean", *(f"head {i}" for i in range(count))], [f"block {i}" for i in range(depth)]
    numbered(axis, names, (height, width), GAP)
    axis.xaxis.tick_top()
    axis.set_title(subject.title, fontsize=11)
    axis.set_xlabel(subject.legend)
    colour_bar(figure, axis, top, "attention of CLS (1: even share)")
    return figure


def frames(subject: Subject, maps: NDArray) -> list[Image.Image]:
    """The image beside the attention of one head, head by head and block by block."""
    depth, count = maps.shape[:2]
    top = shared_scale(list(maps))
    plain = tile(subject)
    size = 5.6, 2.4 * plain.shape[0] / plain.shape[1] + 0.6
    figure, (left, right) = plt.subplots(1, 2, figsize=size, layout="constrained")
    left.imshow(plain)
    figure.suptitle(subject.title, fontsize=9)
    left.set_title(subject.legend or "image", fontsize=9)
    shown = right.imshow(plain)
    colour_bar(figure, right, top, "1: even share")
    for axis in (left, right):
        axis.axis("off")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # else the frames shake
    images = []
    for block, head in np.ndindex(depth, count):
        if depth - block <= max(1, FRAMES // count):
            shown.set_data(tile(subject, maps[block, head], top))
            right.set_title(f"CLS: block {block}, head {head}", fontsize=9)
            images.append(drawn(figure, dpi=90))
    return images


def methods(subject: Subject) -> Figure:
    """The image, and where each fast method finds the evidence for the positive class."""
    names = [name for name in METHODS if name != "occlusion"]
    maps = [explain(subject.model, subject.batch, name)[1][0].numpy() for name in names]
    top, (height, width), columns = shared_scale(maps), subject.model.grid, 4
    rows = -(-(2 + len(maps)) // columns)  # with the image, and room for words
    size = 2.5 * columns + 0.9, rows * (2.5 * height / width + 0.3) + 0.3
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, name, map_ in zip(axes.flat, ["image", *names], [None, *maps], strict=False):
        axis.imshow(tile(subject, map_, top))
        axis.set_title(
            name if map_ is None or np.nan_to_num(map_).any() else f"{name}: none", fontsize=10
        )
    words = ["attention and rollout", "know no class.", "", *subject.legend.split("; ")]
    axes.flat[-1].text(0, 0.5, "\n".join(words), fontsize=9, va="center", linespacing=1.5)
    figure.suptitle(subject.title, fontsize=11)
    colour_bar(figure, axes, top, f"evidence for {subject.positive} (1: even share)")
    return figure


def drawn(figure: Figure, dpi: int = 110) -> Image.Image:
    """The figure's pixels."""
    with io.BytesIO() as buffer:
        figure.savefig(buffer, dpi=dpi, pil_kwargs={"compress_level": 1})
        plt.close(figure)
        return Image.open(buffer).convert("RGB")


def save(images: list[Image.Image], path: Path) -> None:
    """One PNG, or an animated GIF of several images, in few colours that all of them share."""
    whole = Image.fromarray(np.concatenate([np.asarray(image) for image in images]))
    counted = whole.getcolors(whole.width * whole.height) or []
    often = np.sqrt([count for count, _ in counted]).astype(
        int
    )  # the root, so that rare colours have a place too
    seen = np.repeat(np.array([colour for _, colour in counted], np.uint8), often, axis=0)
    palette = Image.fromarray(seen[None]).quantize(256, kmeans=2)
    palette.putpalette(
        [255 if value > 247 else value for value in palette.getpalette() or []]
    )  # white stays white
    first, *others = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    with written_whole(path) as beside:
        more: dict[str, Any] = {
            "save_all": True,
            "append_images": others,
            "duration": PAUSE,
            "loop": 0,
        }
        first.save(beside, optimize=True, **more if others else {})
    print(f"wrote {path}")


def subject_of(path: str | None, checkpoint_path: Path) -> Subject:
    """What the pictures show: of an ensemble the first member, of several images the first."""
    (model, *others), about = checkpoint.load(checkpoint_path)
    if others:
        print(f"{checkpoint_path}: the first of {1 + len(others)} members is shown")
    how = about["preprocessing"]
    names = about["class_names"]
    lesion: NDArray | None
    if path is None:
        size = how["image_size"]
        large = max(size, SMALLEST)
        made = next(
            made
            for i in range(100)
            if (made := phantom(SEED, i, large, views=1)).label == "abnormal"
        )
        image = as_float(made.image, size)
        lesion = as_float(made.mask.astype(np.float16), size)
        name = "phantom"
        truth = ""
    else:
        first, *more = find(path)
        if more:
            print(f"{path}: the first of {1 + len(more)} images is shown, {first}")
        (item,) = gather([first], names)
        image = item.image(how)
        lesion = item.lesion(how)
        name = first.stem[-30:]
        truth = item.truth
    batch = to_tensor(image, how["mean"], how["std"], about["config"]["num_channels"])[None]
    logits, _ = explain(model, batch, "attention")
    probability = float((logits / about["temperature"]).softmax(dim=1)[0, -1])
    title = f"{name}: {f'truth {truth}, ' * bool(truth)}P({names[-1]}) = {probability:.2f}"
    return Subject(model, batch, image, lesion, title, names[-1])


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m report.pictures", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--Path", "--path", "-p", help="an image; by default a phantom")
    parser.add_argument(
        "--Path_Checkpoint",
        "--path_checkpoint",
        "-k",
        type=Path,
        default=Path("ViT.ckpt"),
        help="ViT.ckpt",
    )
    parser.add_argument(
        "--OUTPUT", "--output", "-o", type=Path, default=Path("pictures"), help="folder"
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.OUTPUT.is_file():
            raise ValueError(f"--OUTPUT: got the file {arguments.OUTPUT}, wanted a folder")
        subject = subject_of(arguments.Path, arguments.Path_Checkpoint)
        model = subject.model
        maps = head_maps(subject)
        output = arguments.OUTPUT
        figures = {
            "patches": patches(subject),
            "filters": filters(model),
            "positions": positions(model),
            "heads": heads(subject, maps),
            "methods": methods(subject),
            "model": diagram(model),
        }
        for name, figure in figures.items():
            save([drawn(figure)], output / f"{name}.png")
        save(frames(subject, maps), output / "attention.gif")
    except (ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    main(sys.argv[1:])
