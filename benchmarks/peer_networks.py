"""The networks that ours is compared with, and how each of them learns.

For benchmarks.peers and benchmarks.time_to_quality.
"""

import dataclasses
import time

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models import resnet18
from vit_pytorch.vit_for_small_dataset import ViT

from CONFIG import Config
from data.augment import Augment
from data.dataset import CoronaryDataset, SeededSampler
from data.preprocessing import Preprocessing
from data.processed import Processed, statistics
from training.lightning_module import Classifier
from vit.model import VisionTransformer

# learning rate and weight decay for AdamW: near their authors' at this batch size
PEERS = {"timm ViT": (5e-4, 0.05), "small-data ViT": (5e-4, 0.05), "ResNet-18": (1e-3, 0.05)}
WARMUP_SHARE = 0.1  # of the training
TOGETHER = 100  # images of a validation batch
Curve = list[tuple[float, float]]  # seconds and validation AUROC, after each pass


def network(name: str, config: Config) -> nn.Module:
    """A network for (B, 1, S, S) images and two classes.

    ViTs have patches of the configuration's size.
    """
    size = config.image_size
    patch = config.patch_size
    if name == "ours":
        return VisionTransformer(config)
    if name == "ResNet-18":
        return _resnet(size)
    if name == "timm ViT":
        plain: nn.Module = timm.models.VisionTransformer(
            size,
            patch,
            in_chans=1,
            num_classes=2,
            embed_dim=192,
            depth=12,
            num_heads=3,
            drop_path_rate=0.1,
        )
        return plain
    # shifted patches, locality attention (Lee et al. 2021)
    small = ViT(
        image_size=size,
        patch_size=patch,
        num_classes=2,
        dim=192,
        depth=9,
        heads=12,
        mlp_dim=384,
        dim_head=16,
        channels=3,
    )
    return nn.Sequential(_Thrice(), small)


def _resnet(size: int) -> nn.Module:
    net: nn.Module = resnet18(num_classes=2)
    net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    if size <= 64:  # small images keep their size longer (He et al. 2016, section 4.2)
        net.conv1 = nn.Conv2d(1, 64, 3, stride=size // 32, padding=1, bias=False)
        net.maxpool = nn.Identity()
    return net


class _Thrice(nn.Module):
    """vit-pytorch's shifted patches take images of three channels."""

    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)


def datasets(
    folder: Processed, config: Config, patch_size: int
) -> tuple[CoronaryDataset, CoronaryDataset]:
    """Training images, with targets of patches of that size, and validation images."""
    mean = None
    std = None
    if config.standardise == "set":
        mean, std = statistics([folder.image(sample) for sample in folder.of("train")])
    preprocessing = Preprocessing(config.image_size, mean, std)
    augment = Augment.from_config(config)
    train = CoronaryDataset(folder, "train", preprocessing, augment, config.seed, patch_size)
    return train, CoronaryDataset(folder, "val", preprocessing)


def learn(
    net: nn.Module, folder: Processed, config: Config, rate: tuple[float, float], minutes: float
) -> tuple[Curve, NDArray]:
    """Train for so many minutes of processor time, the learning rate falling to zero.

    Ours learns at most for its epochs, and learns the targets of patches too, as train.py does,
    where the folder has any. Validation is not counted.

    Args:
        net: one of ``network``.
        folder: of two classes.
        config: epochs, batch size, augmentation and seed.
        rate: highest learning rate, and weight decay.
        minutes: of one thread; a second process loads the images.

    Returns:
        The curve, and (n,) logits of the validation images after the last pass.
    """
    torch.set_num_threads(1)
    is_ours = isinstance(net, VisionTransformer)
    head = nn.Linear(config.embedding_size, 2) if is_ours else None
    train, val = datasets(folder, config, config.patch_size if head and config.lesion_loss else 0)
    recipe = dataclasses.replace(config, label_smoothing=0.0)
    module = Classifier(net, recipe, None, {}, head if train.patch_size else None)
    optimizer = torch.optim.AdamW(module.parameters(), rate[0], weight_decay=rate[1])
    batch_size = min(config.batch_size, len(train))
    sampler = SeededSampler(len(train), batch_size, 0, 1, config.seed, shuffle=True)
    loader = DataLoader(train, batch_size, sampler=sampler, num_workers=1, persistent_workers=True)
    passes = config.epochs if is_ours else 0  # of the others the time alone ends the training
    spent = 0.0
    share = 0.0
    curve: Curve = []
    while share < 1.0 and (not passes or len(curve) < passes):
        started = time.process_time()
        sampler.set_epoch(len(curve))
        net.train()
        for step, batch in enumerate(loader):
            share = min(1.0, (spent + time.process_time() - started) / (60 * minutes))
            if passes:
                share = max(share, (len(curve) + step / len(loader)) / passes)
            _step(module, batch, optimizer, rate[0] * _factor(share))
            if share == 1.0:
                break
        spent += time.process_time() - started
        logits = predict(net, val)
        curve.append((spent, float(roc_auc_score(val.labels, logits))))
    return curve, logits


def _factor(share: float) -> float:
    """Of the learning rate, after that share of the training."""
    rising = min(1, share / WARMUP_SHARE + 0.01)
    return float(rising * 0.5 * (1 + np.cos(np.pi * share)))


def _step(
    module: Classifier, batch: tuple[Tensor, ...], optimizer: torch.optim.AdamW, lr: float
) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
    images, labels, indices, targets = batch
    loss = module.training_step((images, labels, indices, targets), 0)["loss"]
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()


def predict(net: nn.Module, dataset: CoronaryDataset) -> NDArray:
    """(n,) logits of the positive class against the other."""
    net.eval()
    count = len(dataset)
    parts = []
    with torch.no_grad():
        for start in range(0, count, TOGETHER):
            numbers = range(start, min(start + TOGETHER, count))
            parts.append(net(torch.stack([dataset[0, i][0] for i in numbers])))
    logits = torch.cat(parts)
    return np.asarray((logits[:, 1] - logits[:, 0]).numpy())
