"""ViT.ckpt: writing it whole, and reading it without running anything that it holds."""

from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate

from files import written_whole
from vit.model import VisionTransformer

FORMAT = 1
NEEDED = ("state_dict", "config", "class_names", "preprocessing", "threshold", "temperature")
MODEL_KEYS = (
    "image_size", "patch_size", "num_channels", "num_classes", "embedding_size", "num_hidden_layers", "num_heads",
    "mlp_ratio", "qkv_bias", "hidden_dropout_prob", "attention_dropout", "eps", "num_registers",
    "representation_size", "initializer_range", "stem", "kept_tokens", "patch_dropout",
)  # fmt: skip


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, with the reason in one line."""


def build_model(config: dict[str, Any]) -> VisionTransformer:
    """The model that a configuration describes; a key that an older one lacks has the model's own default."""
    return VisionTransformer(**{key: config[key] for key in MODEL_KEYS if key in config})


def save(checkpoint: dict[str, Any], path: Path) -> None:
    """Write so that ``path`` holds the old checkpoint or the new one at every instant."""
    with written_whole(path) as beside:
        torch.save(checkpoint, beside)


def load(path: Path) -> tuple[list[VisionTransformer], dict[str, Any]]:
    """The model, or the members of an ensemble, in eval mode, and all else that the checkpoint holds.

    Raises:
        CheckpointError: missing, not ours, of a later format, damaged, or holding more than plain types.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; python train.py --Config config.yml makes one")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch.load raises many kinds for a damaged or hostile file
        raise CheckpointError(
            f"{path}: is damaged, or no checkpoint, or holds more than plain types, which could run code; none was run"
        ) from None
    version = checkpoint.get("format_version") if isinstance(checkpoint, dict) else None
    if not isinstance(version, int):
        raise CheckpointError(f"{path}: is no checkpoint of this project; make one with train.py")
    if version > FORMAT:
        raise CheckpointError(f"{path}: has format {version}, this version reads up to {FORMAT}; use a newer version")
    missing = [key for key in NEEDED if key not in checkpoint]
    if missing:
        raise CheckpointError(f"{path}: lacks {', '.join(missing)}; make it again with train.py")
    try:
        states = [checkpoint.pop("state_dict"), *checkpoint.pop("members", [])]
        models = [_model(checkpoint["config"], state) for state in states]
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: weights and configuration do not fit: {str(error).splitlines()[0]}") from None
    return models, checkpoint


def initialise(model: VisionTransformer, path: Path) -> None:
    """Give the model the weights of another, such as one that learned from phantoms.

    Position embeddings of another grid are resampled (Dosovitskiy et al. 2021, section 3.2); a head of other classes
    is left as it is. Of an ensemble the first member is taken.

    Raises:
        CheckpointError: as ``load`` does, or another architecture.
    """
    (source, *_), about = load(path)
    state, own = source.state_dict(), model.state_dict()
    if source.grid != model.grid:
        name = "embeddings.position_embedding"
        cls, patches = state[name][:, :1], state[name][:, 1:]
        picture = patches.unflatten(1, source.grid).permute(0, 3, 1, 2)  # (1, D, h, w)
        picture = interpolate(picture, model.grid, mode="bicubic", antialias=True)
        state[name] = torch.cat([cls, picture.flatten(2).transpose(1, 2)], dim=1)
    last = model.head[-1].out_features
    if source.head[-1].out_features != last:
        state |= {name: value for name, value in own.items() if name.startswith(f"head.{len(model.head) - 1}.")}
    unlike = [name for name in own.keys() | state.keys() if name not in own or name not in state
              or own[name].shape != state[name].shape]  # fmt: skip
    if unlike or source.num_heads != model.num_heads:
        keys = (
            "patch_size",
            "num_channels",
            "embedding_size",
            "num_hidden_layers",
            "num_heads",
            "mlp_ratio",
            "num_registers",
            "stem",
        )
        had = ", ".join(f"{key} {about['config'].get(key)}" for key in keys)
        raise CheckpointError(f"{path}: is of another architecture; wanted weights for this configuration, got {had}")
    model.load_state_dict(state)


def _model(config: dict[str, Any], state: dict[str, Any]) -> VisionTransformer:
    """The weights of the model alone: what training added for itself stays behind."""
    model = build_model(config)
    model.load_state_dict({n.removeprefix("model."): value for n, value in state.items() if n.startswith("model.")})
    return model.eval()
