"""The attention pooling of torchmil on frozen class tokens, beside benchmarks.groups.

    python -m benchmarks.pooling_peer --Path ProcessedFolder --test test --weights FILE

The tokens are those of weights that never saw these patients. torchmil's gated ABMIL (Ilse et al.
2018) learns from the training patients and is judged by those of ``--test``, of
benchmarks.made_patients, with the epoch that is best on the validation patients.
"""

import argparse
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torchmil.models import ABMIL

import errors
from data import processed
from data.group_dataset import owners
from data.input_groups import groups_in
from data.inputs import Input, find, gather
from metrics.intervals import evaluate
from training.initial_weights import InitialWeights
from vit.batches import read_batch
from vit.checkpoint import Checkpoint
from vit.torch_predictor import TorchPredictor

EPOCHS = 30
RATE = 5e-4
TOGETHER = 50  # pictures


class Bag(NamedTuple):
    """The (n, D) class tokens of a patient's pictures."""

    tokens: Tensor
    positive: bool


def bags_of(source: Checkpoint, inputs: list[Input], names: list[str], positive: str) -> list[Bag]:
    """The pictures of each patient as tokens of the frozen model."""
    predictor = TorchPredictor(source)
    model = source.models[0]
    tokens = []
    for start in range(0, len(inputs), TOGETHER):
        part = inputs[start : start + TOGETHER]
        batch = read_batch(part, source.preprocessing, set(), False, [])
        with torch.inference_mode():
            tokens.append(model.with_patches(predictor.images(batch.pixels))[0])
    every = torch.cat(tokens)
    members: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        members.setdefault(name, []).append(number)
    return [
        Bag(every[numbers], inputs[numbers[0]].truth == positive) for numbers in members.values()
    ]


def learned(training: list[Bag], validation: list[Bag], seed: int) -> ABMIL:
    """The model of the best epoch on the validation patients."""
    torch.manual_seed(seed)
    width = training[0].tokens.shape[1]
    model = ABMIL((width,), att_dim=width, gated=True)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.05)
    rng = np.random.default_rng(seed)
    best, kept = 0.0, deepcopy(model)
    for _ in range(EPOCHS):
        for number in rng.permutation(len(training)):
            bag = training[number]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                model(bag.tokens[None]), torch.tensor([float(bag.positive)])
            )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        area = float(roc_auc_score([bag.positive for bag in validation], scores(model, validation)))
        if area > best:
            best, kept = area, deepcopy(model)
    return kept


def scores(model: ABMIL, patients: list[Bag]) -> list[float]:
    """The probability of each patient."""
    with torch.inference_mode():
        return [float(model(bag.tokens[None]).sigmoid()) for bag in patients]


def main(argv: list[str]) -> None:
    """Print the AUROC of each seed."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.pooling_peer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", type=Path, required=True, help="a ProcessedFolder")
    parser.add_argument("--test", type=Path, required=True, help="of benchmarks.made_patients")
    parser.add_argument("--weights", type=Path, required=True, help="one of weights/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        source = InitialWeights(given.weights).checkpoint
        folder = processed.load(given.Path)
        names = folder.class_names
        sides = []
        for split in ("train", "val"):
            samples = folder.of(split)
            paths = [folder.folder / sample.path for sample in samples]
            inputs = gather(paths, names, folder.folder)
            sides.append(bags_of(source, inputs, owners(samples), names[-1]))
        inputs = gather(find(str(given.test)), names, given.test)
        test = bags_of(source, inputs, groups_in(inputs), names[-1])
        for seed in given.seeds:
            model = learned(sides[0], sides[1], seed)
            area = evaluate([bag.positive for bag in test], scores(model, test))["auroc"]
            errors.say(f"seed {seed}: AUROC {area} of {len(test)} patients")


if __name__ == "__main__":
    errors.run(main)
