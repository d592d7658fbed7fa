"""Weights of another program, to begin a training with: a configuration in their shape.

python -m training.weights FILE --OUTPUT config.yml

FILE is of timm (vit_*, deit_*, DINO, MAE), transformers (ViT, Dinov2) or torchvision (vit_b_16 and
its kin), as safetensors or as torch.save wrote it. It is not changed: init names it.
"""

import argparse
from pathlib import Path

import CONFIG
import errors
from files import refuse_other_kinds


def main(argv: list[str]) -> None:
    """Write the configuration as the command line says."""
    parser = argparse.ArgumentParser(
        "python -m training.weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the weights")
    parser.add_argument("--OUTPUT", "--output", "-o", type=Path, default=Path("config.yml"))
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        from vit.archive import screen_init

        screen_init(str(given.file))
        if given.OUTPUT.suffix.lower() not in (".yml", ".yaml"):
            raise errors.UserError(f"--OUTPUT: got {given.OUTPUT}, wanted a name that ends in .yml")
        refuse_other_kinds(given.OUTPUT)
        from training.initial_weights import InitialWeights

        config = InitialWeights(given.file).shaped(CONFIG.Config(init=str(given.file)))
        CONFIG.write(config, given.OUTPUT)
        errors.say(
            f"wrote {given.OUTPUT}: {config.image_size} px, patches of {config.patch_size} px, "
            f"{config.num_hidden_layers} blocks of width {config.embedding_size}; train with: "
            f"python train.py --Config {given.OUTPUT} --device auto"
        )


if __name__ == "__main__":
    errors.run(main)
