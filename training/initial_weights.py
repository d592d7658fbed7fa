"""Weights that training begins with, such as those that learned from phantoms."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

import errors
from CONFIG import Config, ModelConfig
from data.words import in_one_spelling, meaning_of
from metrics.decision import MULTILABEL
from training import boxed, foreign_weights
from vit import checkpoint
from vit.archive import CheckpointError, is_boxed
from vit.checkpoint import Checkpoint
from vit.checkpoint_gate import Plain
from vit.model import VisionTransformer

SHAPING = (  # keys of the configuration that weights cannot do without
    "patch_size",
    "num_channels",
    "embedding_size",
    "num_hidden_layers",
    "num_heads",
    "mlp_ratio",
    "qkv_bias",
    "num_registers",
    "representation_size",
    "stem",
)
BROUGHT = ("standardise", "kept_tokens", "flip", "eps")  # what weights were trained with
POSITIONS = "embeddings.position_embedding"
POOLING = "pooling."


class InitialWeights:
    """The first model of a ViT.ckpt, weights in the box, or those of another program, read once.

    Args:
        path: the file.

    Raises:
        CheckpointError: as ``vit.checkpoint.load``, ``training.boxed.read`` and
            ``training.foreign_weights.read`` do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        self.checkpoint = _read(path)

    def known_among(self, digests: Iterable[str]) -> set[str]:
        """Which of these images, by sha256, the weights learned from."""
        return set(digests) & self.checkpoint.provenance.known_images

    def provenance(self) -> Plain:
        """What ViT.ckpt keeps of it: run, configuration and split."""
        known = sorted(self.checkpoint.provenance.known_images)
        learned = {"known_images_sha256": known} if known else {}
        return {
            **learned,
            "run": self.checkpoint.provenance.run,
            "file": self.path.name,
            "sha256": self.digest,
            "config": dataclasses.asdict(self.checkpoint.config),
            "split_sha256": self.checkpoint.provenance.split_sha256,
        }

    def sized(self, config: Config) -> Config:
        """The configuration in the image size of these weights, where it is to be chosen."""
        return config.sized(self.checkpoint.config.image_size)

    def shaped(self, config: Config) -> Config:
        """The configuration in the shape of these weights, if it has none of its own.

        A key that differs from its default stays as it is.

        Raises:
            ConfigError: an image size of its own does not divide into their patches.
        """
        source = self.checkpoint.config
        usual = Config()
        keys = (*SHAPING, *BROUGHT)
        free = [key for key in keys if getattr(config, key) == getattr(usual, key)]
        brought = {key: getattr(source, key) for key in free}
        if not config.image_size:
            brought["image_size"] = source.image_size  # at once, as it divides into their patches
        return replace(config, **brought)

    def give_to(
        self, model: VisionTransformer, config: ModelConfig, names: Sequence[str] = ()
    ) -> None:
        """Give a model of that configuration these weights.

        Position embeddings of another grid are resampled (Dosovitskiy et al. 2021, section 3.2). A
        head of other classes, or of another task, is left as it is; but the score of grades begins
        as the log odds of the second of two classes.

        Args:
            model: is changed.
            config: of that model.
            names: of its classes; where they are not known, classes are taken by their place.

        Raises:
            CheckpointError: another architecture.
        """
        source = self.checkpoint.models[0]
        state = source.state_dict()
        own = model.state_dict()
        if source.grid != model.grid:
            state[POSITIONS] = _resampled(state[POSITIONS], source.grid, model.grid)
        last = f"head.{len(model.head) - 1}."
        judges = {name: value for name, value in own.items() if name.startswith(last)}
        tasks = {config.task, self.checkpoint.config.task}
        other_task = MULTILABEL in tasks and len(tasks) > 1  # though the shapes are alike
        rows = _rows(self.checkpoint.class_names, names, config.task)
        if judges and not other_task and _shapes(judges) == _shapes(state, last) and rows:
            state |= {name: state[name][rows] for name in judges if len(state[name]) == len(rows)}
        elif judges:
            if not rows:
                errors.note(
                    f"{self.path.name}: is of {', '.join(self.checkpoint.class_names)}, so the "
                    f"head for {', '.join(names)} begins anew"
                )
            if config.task == "ordinal" and not other_task and rows:
                judges |= _as_score(state, last)
            state = {name: value for name, value in state.items() if not name.startswith(last)}
            state.update(judges)
        # labels of images need no pooling; that of groups begins anew after labels of images
        pooling = {name: value for name, value in own.items() if name.startswith(POOLING)}
        pooling |= {name: value for name, value in state.items() if name in pooling}
        state = {name: value for name, value in state.items() if not name.startswith(POOLING)}
        state |= pooling
        same_names = own.keys() == state.keys()
        fits = same_names and all(own[name].shape == state[name].shape for name in own)
        if not fits or source.num_heads != model.num_heads:
            raise CheckpointError(
                f"{self.path}: is of another architecture; set {self.wanted_of(config)}"
            )
        model.load_state_dict(state)

    def wanted_of(self, config: ModelConfig) -> str:
        """What to set in a configuration so that these weights fit; empty: they fit."""
        own = self.checkpoint.config
        pairs = [(key, getattr(own, key), getattr(config, key)) for key in SHAPING]
        return ", ".join(f"{key} to {need} (got {got})" for key, need, got in pairs if need != got)


def _read(path: Path) -> Checkpoint:
    if is_boxed(path):
        return boxed.read(path) if boxed.is_ours(path) else foreign_weights.read(path)
    is_ours = "format_version" in checkpoint.read(path)
    return checkpoint.load(path) if is_ours else foreign_weights.read(path)


def _shapes(state: Mapping[str, Tensor], beginning: str = "") -> dict[str, torch.Size]:
    """The shapes of the tensors whose names begin so."""
    return {name: value.shape for name, value in state.items() if name.startswith(beginning)}


def _rows(source: Sequence[str], names: Sequence[str], task: str) -> list[int]:
    """For each class the row of the source's head that is of the same class; []: there is not.

    Two classes are the negative and the positive one, and grades rise, whatever their names; but
    not where a class of the source has another place now.
    """
    whole = list(range(len(source)))
    known, wanted = _keys(source), _keys(names)
    if sorted(known) == sorted(wanted):
        rows = [known.index(key) for key in wanted]
        return rows if task != "ordinal" or rows == whole else []
    is_moved = any(key in known and known.index(key) != at for at, key in enumerate(wanted))
    has_order = task == "ordinal" or (task == "classes" and len(names) == 2)
    return whole if not names or (has_order and not is_moved) else []


def _keys(names: Sequence[str]) -> list[str]:
    """Each name in one spelling; normal or abnormal, if all words for them stay different names."""
    plain = [in_one_spelling(name) for name in names]
    meant = [meaning_of(name) or key for name, key in zip(names, plain, strict=True)]
    return meant if len(set(meant)) == len(names) else plain


def _as_score(state: Mapping[str, Tensor], last: str) -> dict[str, Tensor]:
    """From the last layer for two classes to that for grades; {}: it has not two.

    "Any grade above the lowest" then has the probability that the second class had.
    """
    weight, bias = state.get(f"{last}weight"), state.get(f"{last}bias")
    if weight is None or bias is None or len(weight) != 2:
        return {}
    return {f"{last}score.weight": weight[1:] - weight[:1], f"{last}lowest": bias[:1] - bias[1:]}


def _resampled(positions: Tensor, source: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """(1, 1 + N, D) position embeddings of one grid as those of another."""
    cls = positions[:, :1]
    patches = positions[:, 1:].view(1, *source, -1)
    picture = patches.permute(0, 3, 1, 2)  # (1, D, h, w)
    resized = interpolate(picture, grid, mode="bicubic", antialias=True)
    return torch.cat([cls, resized.flatten(2).transpose(1, 2)], dim=1)
