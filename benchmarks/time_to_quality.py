"""Validation AUROC over seconds: this project's recipe, timm's ViT, a ViT for small data, and ResNet-18.

python -m benchmarks.time_to_quality --Path ProcessedFolder --Config config.yml --phantoms phantoms.yml --OUTPUT folder
Each network learns for --minutes from scratch, and again after --phantom_minutes of the same phantoms; what is done
is kept in the folder and not done again. Leaves time_to_quality.csv and .png.
"""

import argparse
import csv
import dataclasses
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
from data import phantom_stream, processed
from data.augment import Augment
from data.dataset import CoronaryDataset, SeededSampler
from files import written_whole
from vit import checkpoint
from vit.model import VisionTransformer
from vit.module import Classifier

# learning rate and weight decay for AdamW: of ours as configured, of the others near their authors' at this batch size
PEERS = {"timm ViT": (5e-4, 0.05), "small-data ViT": (5e-4, 0.05), "ResNet-18": (1e-3, 0.05)}
COLUMNS = ("network", "after phantoms", "seed", "seconds", "seconds with phantoms", "auroc")


def network(name: str, config: CONFIG.Config) -> nn.Module:
    """A network for (B, 1, S, S) images and two classes; ViTs with patches of the configuration's size."""
    size, patch = config.image_size, config.patch_size
    if name == "ours":
        return checkpoint.build_model(dataclasses.asdict(config))
    if name == "ResNet-18":
        net: nn.Module = resnet18(num_classes=2)
        if size > 64:
            net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        else:  # small images keep their size longer (He et al. 2016, section 4.2)
            net.conv1, net.maxpool = nn.Conv2d(1, 64, 3, padding=1, bias=False), nn.Identity()
        return net
    if name == "timm ViT":
        tiny: dict[str, Any] = {"embed_dim": 192, "depth": 12, "num_heads": 3, "drop_path_rate": 0.1}
        plain: nn.Module = timm.models.VisionTransformer(size, patch, in_chans=1, num_classes=2, **tiny)
        return plain
    from vit_pytorch.vit_for_small_dataset import ViT  # shifted patches, locality attention (Lee et al. 2021)

    small: dict[str, Any] = {"dim": 192, "depth": 9, "heads": 12, "mlp_dim": 384, "dim_head": 16, "channels": 3}
    return nn.Sequential(_Thrice(), ViT(image_size=size, patch_size=patch, num_classes=2, **small))


class _Thrice(nn.Module):
    """vit-pytorch's shifted patches take images of three channels."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.expand(-1, 3, -1, -1)


def learn(
    net: nn.Module, folder: processed.Processed, config: CONFIG.Config, rate: tuple[float, float], minutes: float
) -> tuple[list[tuple[float, float]], NDArray[Any]]:
    """Train for so many minutes, the learning rate falling to zero.

    Gives (seconds, validation AUROC) after each pass, and the validation images' logits after the last.

    Validation is not counted. Ours learns the targets of patches too, as train.py does, where the folder has any.
    """
    head = nn.Linear(config.embedding_size, 2) if isinstance(net, VisionTransformer) else None
    mean, std = None, None
    if config.standardise == "set":
        mean, std = processed.statistics([folder.image(sample) for sample in folder.of("train")])
    augment = Augment(**{key: getattr(config, key) for key in Augment.__dataclass_fields__})
    patch = config.patch_size if head and config.lesion_loss else 0
    train = CoronaryDataset(folder, "train", config.image_size, mean, std, 1, augment, config.seed, patch)
    val = CoronaryDataset(folder, "val", config.image_size, mean, std)
    module = Classifier(net, *rate, 0.1, 0.0, None, {}, head if train.patch_size else None, config.lesion_loss, 0)
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    optimizer = torch.optim.AdamW(module.parameters(), rate[0], weight_decay=rate[1])
    sampler = SeededSampler(len(train), min(config.batch_size, len(train)), 0, 1, config.seed, shuffle=True)
    loader = torch.utils.data.DataLoader(train, min(config.batch_size, len(train)), sampler=sampler, num_workers=1)
    spent, epoch, curve = 0.0, 0, list[tuple[float, float]]()
    while spent < 60 * minutes:
        started = time.perf_counter()
        sampler.set_epoch(epoch)
        net.train()
        for batch in loader:
            share = min(1.0, (spent + time.perf_counter() - started) / (60 * minutes))
            for group in optimizer.param_groups:
                group["lr"] = rate[0] * min(1, share / 0.1 + 0.01) * 0.5 * (1 + np.cos(np.pi * share))
            loss = module.training_step(batch, 0)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            if share == 1.0:
                break
        spent, epoch = spent + time.perf_counter() - started, epoch + 1
        logits = predict(net, val)
        curve.append((spent, float(roc_auc_score(val.labels, logits))))
    return curve, logits


def predict(net: nn.Module, dataset: CoronaryDataset) -> NDArray[Any]:
    """(n,) logits of the positive class against the other."""
    net.eval()
    with torch.no_grad():
        parts = [torch.stack([dataset[0, i][0] for i in range(start, min(start + 100, len(dataset)))])
                 for start in range(0, len(dataset), 100)]  # fmt: skip
        logits = torch.cat([net(part) for part in parts])
    return np.asarray((logits[:, 1] - logits[:, 0]).numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--Path", "--Config", "--phantoms", "--OUTPUT"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--phantom_minutes", type=float, default=7)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=["ours", *PEERS])
    given = parser.parse_args()
    config, before = CONFIG.load(given.Config), CONFIG.load(given.phantoms)
    folder, made = processed.load(given.Path), None
    given.OUTPUT.mkdir(parents=True, exist_ok=True)
    for name in given.networks:
        weights = given.OUTPUT / f"{name}.pt"
        if not weights.exists():
            made = made or phantom_stream.make(before)
            torch.manual_seed(0)
            net = network(name, before)
            learn(net, made, before, PEERS.get(name, (before.lr, before.weight_decay)), given.phantom_minutes)
            with written_whole(weights) as beside:
                torch.save(net.state_dict(), beside)
        for after, seed in ((after, seed) for after in (False, True) for seed in range(given.seeds)):
            cell = given.OUTPUT / f"{name}-{after}-{seed}.csv"
            if cell.exists():
                continue
            torch.manual_seed(seed)
            net, own = network(name, config), dataclasses.replace(config, seed=seed)
            if after:
                net.load_state_dict(torch.load(weights, weights_only=True))
            curve, _ = learn(net, folder, own, PEERS.get(name, (config.lr, config.weight_decay)), given.minutes)
            with written_whole(cell) as beside, open(beside, "w", newline="") as file:
                extra = 60 * given.phantom_minutes if after else 0
                csv.writer(file).writerows([COLUMNS, *((name, after, seed, s, s + extra, a) for s, a in curve)])
            print(
                f"{name}{', after phantoms' if after else ''}, seed {seed}: best {max(a for _, a in curve):.3f}",
                flush=True,
            )
    summarise(given.OUTPUT)


def summarise(output: Path) -> None:
    """Join the cells into time_to_quality.csv, print medians over seeds, and draw the curves."""
    rows = [row for cell in sorted(output.glob("*-*-*.csv")) for row in csv.DictReader(cell.open())]
    with (output / "time_to_quality.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    names = list(dict.fromkeys(row["network"] for row in rows))
    for (name, after), style in (
        (pair, s) for s, flag in (("-", "True"), ("--", "False")) for pair in ((n, flag) for n in names)
    ):
        own = [row for row in rows if (row["network"], row["after phantoms"]) == (name, after)]
        best = [max(float(r["auroc"]) for r in own if r["seed"] == seed) for seed in {r["seed"] for r in own}]
        if own:
            print(f"{name:<16}{'after phantoms' if after == 'True' else 'from scratch':<16}best AUROC, median of "
                  f"{len(best)} seeds: {np.median(best):.3f}")  # fmt: skip
        for seed in {row["seed"] for row in own}:
            points = [(float(r["seconds"]), float(r["auroc"])) for r in own if r["seed"] == seed]
            label = f"{name}{', after phantoms' if after == 'True' else ''}" if seed == "0" else None
            axis.plot(*zip(*points, strict=True), style, color=f"C{names.index(name)}", alpha=0.7, label=label)
    axis.set(xlabel="seconds of training on the images", ylabel="validation AUROC")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.savefig(output / "time_to_quality.png", dpi=110)


if __name__ == "__main__":
    main()
