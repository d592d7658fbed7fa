"""Weights in the box: what a model learned from phantoms, in a small file that others begin with.

python -m training.boxed pretrained/ViT.ckpt --OUTPUT weights/ct.safetensors

The file holds the weights in half precision, and the configuration; no images, no threshold. It is
in the format of safetensors, which holds numbers and text alone.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import errors
from errors import UserError
from files import refuse_other_kinds, written_whole
from vit.archive import CheckpointError

if TYPE_CHECKING:
    from vit.checkpoint import Checkpoint

PREFIX = "model."
META = "vit"  # name of our entry in the header
MOST = 64 * 2**20  # bytes of a file
MOST_HEADER = 2**20  # bytes of its header
KEPT = ("format_version", "config", "class_names", "preprocessing", "run", "versions")


def write(source: Path, target: Path) -> None:
    """Write the weights of a ViT.ckpt in half precision; a former file is kept.

    Raises:
        CheckpointError: ``source`` is no ViT.ckpt.
        UserError: it holds the models of several folds, or it learned from images of patients.
    """
    import torch
    from safetensors.torch import save_file

    from vit import checkpoint

    loaded = checkpoint.load(source)
    if len(loaded.models) > 1:
        raise UserError(f"{source}: got {len(loaded.models)} models of folds, wanted one model")
    begun = loaded.provenance.init
    before = begun.get("config", {})
    phantoms = (loaded.config.phantoms, before.get("phantoms", loaded.config.phantoms))
    if "none" in phantoms or begun.get("known_images_sha256"):
        raise UserError(
            f"{source}: got weights that learned from images in data_folder, wanted weights that "
            "learned from phantoms alone, which may be given to anybody"
        )
    state = loaded.models[0].state_dict()
    halves = {name: value.to(torch.float16).contiguous() for name, value in state.items()}
    if not all(value.isfinite().all() for value in halves.values()):
        raise UserError(f"{source}: has weights that half precision cannot hold")
    told = {name: value for name, value in loaded.plain().items() if name in KEPT}
    with written_whole(target, keep_former=True) as beside:
        save_file(halves, beside, {META: json.dumps(told, sort_keys=True)})


def is_ours(path: Path) -> bool:
    """Whether a file of safetensors says that it holds weights of this project, or may say so."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return length > MOST_HEADER or f'"{META}":'.encode() in file.read(length)


def read(path: Path) -> "Checkpoint":
    """What ``write`` wrote, as a checkpoint without threshold and temperature of its own.

    Raises:
        CheckpointError: damaged, too large, or none of ours.
    """
    from safetensors import SafetensorError, safe_open

    from vit.checkpoint import Checkpoint

    size = path.stat().st_size
    if size > MOST:
        raise CheckpointError(f"{path}: has {size:,} bytes, wanted at most {MOST:,}")
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > MOST_HEADER:
        raise CheckpointError(f"{path}: has a header of {header:,} bytes, wanted weights of ours")
    try:
        with safe_open(path, "pt") as file:
            told = (file.metadata() or {}).get(META)
            if told is None:
                raise CheckpointError(
                    f"{path}: are weights of another program; wanted those of weights/, or of "
                    "python -m training.boxed"
                )
            names = list(file.keys())
            state = {PREFIX + name: file.get_tensor(name).clone() for name in names}
        plain = json.loads(told)
        if not isinstance(plain, dict):
            raise ValueError("its text holds no names with values")
        plain |= {"state_dict": state, "threshold": 0.5, "temperature": 1.0}
        return Checkpoint.from_plain(plain)
    except (SafetensorError, RuntimeError, LookupError, TypeError, ValueError) as error:
        said = (str(error).splitlines() or [""])[0][:300]
        raise CheckpointError(f"{path}: is damaged: {said}") from None


def main(argv: list[str]) -> None:
    """Write the weights of a ViT.ckpt as the command line says."""
    parser = argparse.ArgumentParser(
        "python -m training.boxed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="ViT.ckpt", help="that learned from phantoms")
    parser.add_argument("--OUTPUT", "--output", "-o", dest="output", type=Path, required=True)
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        refuse_other_kinds(given.output)
        write(given.source, given.output)
        errors.say(f"wrote {given.output}: {given.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    errors.run(main)
