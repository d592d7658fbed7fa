"""ViT.ckpt: writing it whole, and reading it without running anything that it holds."""

import inspect
import math
import reprlib
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import interpolate

import CONFIG
from files import written_whole
from vit import familiarity
from vit.archive import CheckpointError, screened
from vit.model import VisionTransformer

FORMAT = 1
NEEDED = ("state_dict", "config", "class_names", "preprocessing", "threshold", "temperature")
MODEL_KEYS = tuple(
    inspect.signature(VisionTransformer).parameters
)  # the keys of config.yml that shape the model
SHAPING = (  # those that weights cannot do without
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
NUMBER = float | int
NUMBERS = [float | int]
FORMS: dict[
    str, Any
] = {  # a type, a list of such, or names with such; of all but NEEDED older checkpoints lack some
    "state_dict": dict,
    "config": dict,
    "class_names": [str],
    "threshold": NUMBER,
    "temperature": NUMBER,
    "preprocessing": {
        "image_size": int,
        "mean": NUMBER | None,
        "std": NUMBER | None,
        "border": NUMBER,
        "stretch": bool,
        "window": list | tuple | None,
        "frame": int,
    },
    "members": [dict],
    "familiarity": [dict],
    "conformal_scores": {str: NUMBERS},
    "training_images_sha256": [str],
    "run": str,
    "split_sha256": str,
    "versions": {str: str},
    "init": {str: str | dict},
    "validation": {str: NUMBER},
    "figures": {str: NUMBERS},
    "epoch_chosen_on_validation": bool,
    "history": [[{str: NUMBER}]],
}


def build_model(config: dict[str, Any]) -> VisionTransformer:
    """The model that a configuration describes; a key that an older one lacks has the model's own
    default.
    """
    return VisionTransformer(**{key: config[key] for key in MODEL_KEYS if key in config})


def save(checkpoint: dict[str, Any], path: Path) -> None:
    """Write so that ``path`` holds the old checkpoint or the new one at every instant."""
    with written_whole(path) as beside, open(beside, "wb") as file:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:  # which hides that the disk is full
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def read(path: Path) -> Any:
    """What ``save`` wrote. Nothing that the file names is run, and it takes no more memory than
    some times its size.

    torch.load runs no code of it either, but it gives a small file all the memory that it asks for,
    and does not see that bits have turned over. So torch is handed no more than what ``screened``
    has let through.

    Raises:
        CheckpointError: missing, damaged, no checkpoint, or holding more than plain types and
            tensors.
    """
    try:
        return torch.load(screened(path), map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:  # torch raises many kinds
        raise CheckpointError(
            f"{path}: is damaged: {(str(error).splitlines() or [''])[0][:300]}"
        ) from None


def load(path: Path) -> tuple[list[VisionTransformer], dict[str, Any]]:
    """The model, or the members of an ensemble, in eval mode, and all else that the checkpoint
    holds.

    Raises:
        CheckpointError: missing, not ours, of a later format, damaged, or holding more than plain
            types.
    """
    checkpoint = read(path)
    version = checkpoint.get("format_version") if type(checkpoint) is dict else None
    if not isinstance(version, int):
        raise CheckpointError(f"{path}: is no checkpoint of this project; make one with train.py")
    if version > FORMAT:
        raise CheckpointError(
            f"{path}: has format {version}, this version reads up to {FORMAT}; use a newer version"
        )
    missing = [key for key in NEEDED if key not in checkpoint]
    if missing:
        raise CheckpointError(f"{path}: lacks {', '.join(missing)}; make it again with train.py")
    try:
        _check(checkpoint)
        states = [checkpoint.pop("state_dict"), *checkpoint.pop("members", [])]
        _check_tensors(states + checkpoint.get("familiarity", []))
        models = [_model(checkpoint["config"], state) for state in states]
        if states := checkpoint.get("familiarity"):
            checkpoint["familiarity"] = [
                familiarity.restore(*pair) for pair in zip(models, states, strict=True)
            ]
    except (
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
    ) as error:
        said = "".join(c if c.isprintable() else "?" for c in str(error).split("\n")[0][:300])
        raise CheckpointError(f"{path}: weights and configuration do not fit: {said}") from None
    return models, checkpoint


def initialise(model: VisionTransformer, path: Path) -> None:
    """Give the model the weights of another, such as one that learned from phantoms.

    Position embeddings of another grid are resampled (Dosovitskiy et al. 2021, section 3.2); a head
    of other classes is left as it is. Of an ensemble the first member is taken.

    Raises:
        CheckpointError: as ``load`` does, or another architecture.
    """
    (source, *_), about = load(path)
    state = source.state_dict()
    own = model.state_dict()
    if source.grid != model.grid:
        name = "embeddings.position_embedding"
        cls = state[name][:, :1]
        patches = state[name][:, 1:]
        picture = patches.unflatten(1, source.grid).permute(0, 3, 1, 2)  # (1, D, h, w)
        picture = interpolate(picture, model.grid, mode="bicubic", antialias=True)
        state[name] = torch.cat([cls, picture.flatten(2).transpose(1, 2)], dim=1)
    last = model.head[-1].out_features
    if source.head[-1].out_features != last:
        state |= {
            name: value
            for name, value in own.items()
            if name.startswith(f"head.{len(model.head) - 1}.")
        }
    unlike = [
        name
        for name in own.keys() | state.keys()
        if name not in own or name not in state or own[name].shape != state[name].shape
    ]
    if unlike or source.num_heads != model.num_heads:
        had = ", ".join(f"{key} {about['config'].get(key)}" for key in SHAPING)
        raise CheckpointError(
            f"{path}: is of another architecture; wanted weights for this configuration, got {had}"
        )
    model.load_state_dict(state)


def _check(checkpoint: dict[str, Any]) -> None:
    """Give all that is said beside the weights the types and ranges that predict.py and report/
    rely on.

    Raises:
        ValueError: what does not have them.
    """
    seen = set[int]()
    for name, form in FORMS.items():
        if name in checkpoint and not _fits(checkpoint[name], form, seen):
            raise ValueError(f"{name}: got {_said(checkpoint[name])}, wanted another type")
    given = {name: value for name, value in checkpoint["config"].items() if name in CONFIG.FIELDS}
    if odd := [
        name for name, value in given.items() if not isinstance(value, str | int | float | None)
    ]:
        raise ValueError(f"{odd[0]}: got {_said(given[odd[0]])}")
    config = CONFIG.load(None, given)
    checkpoint["config"] = {name: getattr(config, name) for name in given}
    how = checkpoint["preprocessing"]
    names = checkpoint["class_names"]
    scores = checkpoint.get("conformal_scores")
    centre, width = (0.0, 1.0) if how.get("window") is None else how["window"]
    right = {
        "class_names": len(set(names)) == len(names) == config.num_classes
        and all(
            len(name.encode()) < 256 and min(name) >= " " for name in names
        ),  # as a folder may be called
        "threshold": math.isfinite(checkpoint["threshold"]),
        "temperature": 1e-3 <= checkpoint["temperature"] <= 1e3,
        "preprocessing": how["image_size"] == config.image_size
        and 0 <= how["border"] <= 0.45
        and (how["mean"] is None or (0 <= how["mean"] <= 1 and 1e-6 <= how["std"] <= 1))
        and _fits([centre, width], NUMBERS, seen)
        and 0 < width < math.inf,
        "members": len(checkpoint.get("members", [])) < 100,
    }
    if wrong := [name for name, fits in right.items() if not fits]:
        raise ValueError(f"{wrong[0]}: got {_said(checkpoint.get(wrong[0]))}")
    if scores:
        checkpoint["conformal_scores"] = {name: sorted(map(float, scores[name])) for name in names}


def _said(value: Any) -> str:
    """A value, shortened, or the name of its type if it may be large or of many parts."""
    return (
        reprlib.repr(value)
        if isinstance(value, str | int | float | None)
        else f"a {type(value).__name__}"
    )


def _check_tensors(states: list[dict[str, Any]]) -> None:
    """Raise ValueError if tensors share their numbers: a small file could stand for any amount of
    them.
    """
    own = [
        value.untyped_storage().data_ptr()
        for state in states
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]
    if len(set(own) - {0}) < len(own) - own.count(0):
        raise ValueError("tensors that share their numbers")


def _fits(value: Any, form: Any, seen: set[int]) -> bool:
    """Whether a value is of a form as in FORMS. Lists that hold one list over and over could stand
    for billions.
    """
    if isinstance(value, list | dict):
        if id(value) in seen:
            return False
        seen.add(id(value))
    if isinstance(form, list):
        return type(value) is list and all(_fits(each, form[0], seen) for each in value)
    if isinstance(form, dict):
        rest = form.get(str, object)
        return type(value) is dict and all(
            _fits(each, form.get(name, rest), seen) for name, each in value.items()
        )
    return isinstance(value, form) and (form in (bool, object) or not isinstance(value, bool))


def _model(config: dict[str, Any], state: dict[str, Any]) -> VisionTransformer:
    """The weights of the model alone: what training added for itself stays behind."""
    own = {
        name.removeprefix("model."): value
        for name, value in state.items()
        if name.startswith("model.")
    }
    with torch.device("meta"):  # no memory is taken for what the weights do not fill
        model = build_model(config)
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    if {name: value.shape for name, value in own.items()} != wanted:
        raise ValueError("got weights of other names or shapes than its configuration's")
    for name, value in own.items():
        if not (value.is_floating_point() and value.is_contiguous() and value.isfinite().all()):
            raise ValueError(f"{name}: wanted floating, finite numbers, each there by itself")
    model.load_state_dict({name: value.float() for name, value in own.items()}, assign=True)
    return model.eval()
