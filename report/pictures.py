"""A model's pictures:
python -m report.pictures --Path IMAGE --Path_Checkpoint ViT.ckpt --OUTPUT pictures

patches.png, filters.png, positions.png, heads.png, attention.gif, methods.png and model.png.
Without --Path they show one phantom, always the same, that no model of make demo has seen.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from PIL import Image

import errors
from data.read_lock import reading
from errors import UserError
from files import written_whole
from report.diagram import diagram
from report.panels import drawn, frames, head_maps, heads, methods, patches
from report.structure import filters, positions
from report.subject import subject_of

PAUSE = 800  # ms that each image of an animation is shown
WHITE = 247  # value above which a colour of the palette becomes white


def save(images: list[Image.Image], path: Path) -> None:
    """Write one PNG, or an animated GIF of several images, in few colours that they share."""
    palette = _palette(images)
    first, *others = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    with written_whole(path, keep_former=True) as beside:
        if others:
            first.save(
                beside,
                optimize=True,
                save_all=True,
                append_images=others,
                duration=PAUSE,
                loop=0,
            )
        else:
            first.save(beside, optimize=True)
    errors.say(f"wrote {path}")


def _palette(images: list[Image.Image]) -> Image.Image:
    """256 colours that suit all images."""
    whole = Image.fromarray(np.concatenate([np.asarray(image) for image in images]))
    counted = whole.getcolors(whole.width * whole.height) or []
    # the root, so that rare colours have a place too
    often = np.sqrt([count for count, _ in counted]).astype(int)
    seen = np.repeat(np.array([colour for _, colour in counted], np.uint8), often, axis=0)
    palette = Image.fromarray(seen[None]).quantize(256, kmeans=2)
    values = palette.getpalette() or []
    palette.putpalette([255 if value > WHITE else value for value in values])
    return palette


def parse(argv: list[str]) -> argparse.Namespace:
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
    return parser.parse_args(argv)


def draw(arguments: argparse.Namespace) -> None:
    """Write the seven pictures. UserError: no such image, model or folder."""
    output = arguments.OUTPUT
    if output.is_file():
        raise UserError(f"--OUTPUT: got the file {output}, wanted a folder")
    subject = subject_of(arguments.Path, arguments.Path_Checkpoint)
    maps = head_maps(subject)
    figures = {
        "patches": patches(subject),
        "filters": filters(subject.model),
        "positions": positions(subject.model),
        "heads": heads(subject, maps),
        "methods": methods(subject),
        "model": diagram(subject.model),
    }
    for name, figure in figures.items():
        save([drawn(figure)], output / f"{name}.png")
    save(frames(subject, maps), output / "attention.gif")


def main(argv: list[str]) -> None:
    """Draw as the command line says; a user's mistake ends in one line."""
    arguments = parse(argv)
    held = reading(arguments.Path) if arguments.Path else nullcontext()
    with errors.ending_in_one_line(), held:
        draw(arguments)


if __name__ == "__main__":
    errors.run(main)
