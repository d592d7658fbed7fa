"""Validation AUROC over seconds: this project's recipe, timm's ViT, a ViT for small data, and
ResNet-18.

python -m benchmarks.time_to_quality --Path ProcessedFolder --Config config.yml --phantoms
phantoms.yml \\
    --init pretrained/ViT.ckpt --OUTPUT folder
Each network learns for --minutes from scratch, and again after the same phantoms: ours from --init,
the others for
--phantom_minutes. Ours ends after the passes of its recipe if these take less. Minutes are
processor time of one thread, so that other work on the machine does not count; a second process
loads the images. What is done is kept in the folder and not done again. Leaves time_to_quality.csv
and .png.
"""

import argparse
import csv
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import timm
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn
from torchvision.models import resnet18

import CONFIG
from data import processed
from data.augment import Augment
from data.dataset import CoronaryDataset, SeededSampler
from files import written_whole
from phantoms import stream
from training.lightning_module import Classifier
from vit import checkpoint
from vit.model import VisionTransformer

# learning rate and weight decay for AdamW: of ours as configured, of the others near their authors'
# at this batch size
PEERS = {"timm ViT": (5e-4, 0.05), "small-data ViT": (5e-4, 0.05), "ResNet-18": (1e-3, 0.05)}
COLUMNS = ("network", "after phantoms", "seed", "seconds", "seconds with phantoms", "auroc")


def network(name: str, config: CONFIG.Config) -> nn.Module:
    """A network for (B, 1, S, S) images and two classes; ViTs with patches of the configuration's
    size.
    """
    size = config.image_size
    patch = config.patch_size
    if name == "ours":
        return checkpoint.build_model(dataclasses.asdict(config))
    if name == "ResNet-18":
        net: nn.Module = resnet18(num_classes=2)
        net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        if size <= 64:  # small images keep their size longer (He et al. 2016, section 4.2)
            net.conv1 = nn.Conv2d(1, 64, 3, stride=size // 32, padding=1, bias=False)
            net.maxpool = nn.Identity()
        return net
    if name == "timm ViT":
        tiny: dict[str, Any] = {
            "embed_dim": 192,
            "depth": 12,
            "num_heads": 3,
            "drop_path_rate": 0.1,
        }
        plain: nn.Module = timm.models.VisionTransformer(
            size, patch, in_chans=1, num_classes=2, **tiny
        )
        return plain
    from vit_pytorch.vit_for_small_dataset import (
        ViT,
    )  # shifted patches, locality attention (Lee et al. 2021)

    small: dict[str, Any] = {
        "dim": 192,
        "depth": 9,
        "heads": 12,
        "mlp_dim": 384,
        "dim_head": 16,
        "channels": 3,
    }
    return nn.Sequential(_Thrice(), ViT(image_size=size, patch_size=patch, num_classes=2, **small))


class _Thrice(nn.Module):
    """vit-pytorch's shifted patches take images of three channels."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.expand(-1, 3, -1, -1)


def learn(
    net: nn.Module,
    folder: processed.Processed,
    config: CONFIG.Config,
    rate: tuple[float, float],
    minutes: float,
) -> tuple[list[tuple[float, float]], NDArray[Any]]:
    """Train for so many minutes of processor time, ours at most for its epochs, the learning rate
    falling to zero.

    Gives (seconds, validation AUROC) after each pass, and the validation images' logits after the
    last.

    Validation is not counted. Ours learns the targets of patches too, as train.py does, where the
    folder has any.
    """
    torch.set_num_threads(1)
    head = nn.Linear(config.embedding_size, 2) if isinstance(net, VisionTransformer) else None
    mean = None
    std = None
    if config.standardise == "set":
        mean, std = processed.statistics([folder.image(sample) for sample in folder.of("train")])
    augment = Augment(**{key: getattr(config, key) for key in Augment.__dataclass_fields__})
    patch = config.patch_size if head and config.lesion_loss else 0
    train = CoronaryDataset(
        folder, "train", config.image_size, mean, std, 1, augment, config.seed, patch
    )
    val = CoronaryDataset(folder, "val", config.image_size, mean, std)
    module = Classifier(
        net, *rate, 0.1, 0.0, None, {}, head if train.patch_size else None, config.lesion_loss, 0
    )
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    optimizer = torch.optim.AdamW(module.parameters(), rate[0], weight_decay=rate[1])
    sampler = SeededSampler(
        len(train), min(config.batch_size, len(train)), 0, 1, config.seed, shuffle=True
    )
    batch_size = min(config.batch_size, len(train))
    loader = torch.utils.data.DataLoader(
        train, batch_size, sampler=sampler, num_workers=1, persistent_workers=True
    )
    passes = config.epochs if head else 0  # of the others the time alone ends the training
    spent = 0.0
    epoch = 0
    share = 0.0
    curve = list[tuple[float, float]]()
    while share < 1.0 and (not passes or epoch < passes):
        started = time.process_time()
        sampler.set_epoch(epoch)
        net.train()
        for step, batch in enumerate(loader):
            share = min(1.0, (spent + time.process_time() - started) / (60 * minutes))
            if passes:
                share = max(share, (epoch + step / len(loader)) / passes)
            for group in optimizer.param_groups:
                group["lr"] = (
                    rate[0] * min(1, share / 0.1 + 0.01) * 0.5 * (1 + np.cos(np.pi * share))
                )
            loss = module.training_step(batch, 0)["loss"]
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            if share == 1.0:
                break
        spent = spent + time.process_time() - started
        epoch = epoch + 1
        logits = predict(net, val)
        curve.append((spent, float(roc_auc_score(val.labels, logits))))
    return curve, logits


def predict(net: nn.Module, dataset: CoronaryDataset) -> NDArray[Any]:
    """(n,) logits of the positive class against the other."""
    net.eval()
    with torch.no_grad():
        parts = [
            torch.stack([dataset[0, i][0] for i in range(start, min(start + 100, len(dataset)))])
            for start in range(0, len(dataset), 100)
        ]
        logits = torch.cat([net(part) for part in parts])
    return np.asarray((logits[:, 1] - logits[:, 0]).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--Path", "--Config", "--phantoms", "--init", "--OUTPUT"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--phantom_minutes", type=float, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=["ours", *PEERS])
    given = parser.parse_args()
    config = CONFIG.load(given.Config)
    folder = processed.load(given.Path)
    given.OUTPUT.mkdir(parents=True, exist_ok=True)
    asked = f"{config.fingerprint()} {CONFIG.load(given.phantoms).fingerprint()} {folder.split_hash()} {given.minutes}"
    about = given.OUTPUT / "asked.txt"
    if about.exists() and about.read_text() != asked:
        sys.exit(
            f"{given.OUTPUT}: holds runs of another configuration, data or time; name another folder"
        )
    about.write_text(asked)
    cells = [
        (seed, after, name)
        for after in (False, True)
        for seed in range(given.seeds)
        for name in given.networks
    ]
    for seed, after, name in cells:
        cell = given.OUTPUT / f"{name}-{after}-{seed}.csv"
        if cell.exists():
            continue
        torch.manual_seed(seed)
        net = network(name, config)
        own = dataclasses.replace(config, seed=seed)
        if after and isinstance(net, VisionTransformer):
            checkpoint.initialise(net, given.init)
        elif after:
            net.load_state_dict(after_phantoms(name, given))
        curve, _ = learn(
            net, folder, own, PEERS.get(name, (config.lr, config.weight_decay)), given.minutes
        )
        with written_whole(cell) as beside, open(beside, "w", newline="") as file:
            extra = 60 * given.phantom_minutes if after else 0
            csv.writer(file).writerows(
                [COLUMNS, *((name, after, seed, s, s + extra, a) for s, a in curve)]
            )
        best = max(auroc for _, auroc in curve)
        print(
            f"{name}{', after phantoms' if after else ''}, seed {seed}: best {best:.3f}", flush=True
        )
    summarise(given.OUTPUT)


def after_phantoms(name: str, given: argparse.Namespace) -> dict[str, torch.Tensor]:
    """Weights of a peer that has learned from phantoms, from the folder if they are there."""
    weights = given.OUTPUT / f"{name}.pt"
    if not weights.exists():
        before = CONFIG.load(given.phantoms)
        torch.manual_seed(0)
        net = network(name, before)
        learn(net, stream.make(before), before, PEERS[name], given.phantom_minutes)
        with written_whole(weights) as beside:
            torch.save(net.state_dict(), beside)
    return dict(torch.load(weights, weights_only=True))


def reached(rows: list[dict[str, str]], auroc: float) -> float:
    """Seconds after which a run is first as good; infinite if it never is."""
    return min(
        (float(row["seconds"]) for row in rows if float(row["auroc"]) >= auroc), default=np.inf
    )


def summarise(output: Path) -> None:
    """Join the cells into time_to_quality.csv, print when each run was best and when ours was as
    good, draw curves.
    """
    cells = [list(csv.DictReader(cell.open())) for cell in sorted(output.glob("*-*-[0-9]*.csv"))]
    with (output / "time_to_quality.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(row for rows in cells for row in rows)
    mine = [
        rows
        for rows in cells
        if (rows[0]["network"], rows[0]["after phantoms"]) == ("ours", "True")
    ]
    names = list(dict.fromkeys(rows[0]["network"] for rows in cells))
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    labelled: set[str] = set()
    for rows in cells:
        name = rows[0]["network"]
        after = rows[0]["after phantoms"] == "True"
        label = f"{name}, after phantoms" if after else name
        best = max(float(row["auroc"]) for row in rows)
        own = reached(rows, best)
        ours = float(np.median([reached(run, best) for run in mine]))
        said = (
            f"is as good after {ours:.0f} s: {own / ours:.1f} times sooner"
            if ours < np.inf
            else "never is as good"
        )
        print(
            f"{label:<32}seed {rows[0]['seed']}: best AUROC {best:.3f} after {own:.0f} s; ours after phantoms {said}"
        )
        points = [(float(row["seconds"]), float(row["auroc"])) for row in rows]
        axis.plot(
            *zip(*points, strict=True),
            "-" if after else "--",
            color=f"C{names.index(name)}",
            alpha=0.7,
            label=None if label in labelled else label,
        )
        labelled.add(label)
    axis.set(xlabel="seconds of training on the images, one thread", ylabel="validation AUROC")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize=8)
    figure.savefig(output / "time_to_quality.png", dpi=110)


if __name__ == "__main__":
    main()
