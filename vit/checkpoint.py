"""ViT.ckpt: written whole, and read without running anything that it holds."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch

import CONFIG
from CONFIG import Config
from files import written_whole
from vit import familiarity
from vit.archive import CheckpointError, screened
from vit.checkpoint_gate import FORMAT as FORMAT
from vit.checkpoint_gate import NEEDED, Plain, check
from vit.facts import Facts
from vit.facts import Provenance as Provenance
from vit.familiarity import Familiarity
from vit.model import VisionTransformer

MAKE_ONE = "make one with train.py"


@dataclass(frozen=True)
class Checkpoint(Facts):
    """A model, and what its file says of it.

    Args:
        models: in eval mode; several are the folds of a cross-validation. None while in training.
        familiarity: of each model; none: it cannot tell images that are unlike.
    """

    models: list[VisionTransformer] = field(default_factory=list)
    familiarity: list[Familiarity] = field(default_factory=list)

    @classmethod
    def from_plain(cls, plain: Plain) -> "Checkpoint":
        """The checkpoint that a file holds.

        Raises:
            ValueError, TypeError, LookupError, RuntimeError: anything that does not fit.
        """
        config = check(plain)
        states = [plain["state_dict"], *plain.get("members", [])]
        familiar = plain.get("familiarity", [])
        check_tensors(states + familiar)
        models = [_model(config, state) for state in states]
        pairs = zip(models, familiar, strict=True) if familiar else ()
        facts = Facts.of_plain(plain, config)
        known = {each.name: getattr(facts, each.name) for each in dataclasses.fields(facts)}
        familiarities = [familiarity.restore(model, state) for model, state in pairs]
        return cls(**known, models=models, familiarity=familiarities)

    def member(self, number: int) -> "Checkpoint":
        """One model of an ensemble, as that of a fold."""
        chosen = slice(number, number + 1)
        return dataclasses.replace(
            self, models=self.models[chosen], familiarity=self.familiarity[chosen]
        )


def save(plain: Plain, path: Path, keep_former: bool = False) -> None:
    """Write so that ``path`` holds the old checkpoint or the new one at every instant.

    ``keep_former``: as in ``written_whole``.
    """
    with written_whole(path, keep_former) as beside, open(beside, "wb") as file:
        try:
            torch.save(plain, file)
        except RuntimeError as error:  # which hides that the disk is full
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def read(path: Path) -> Plain:
    """What ``save`` wrote. Nothing that the file names is run.

    torch.load runs no code of it either, but it gives a small file all the memory that it asks for,
    and does not see that bits have turned over. So torch is handed no more than what ``screened``
    has let through.

    Raises:
        CheckpointError: missing, damaged, no checkpoint, or holding more than plain types and
            tensors.
    """
    checked = screened(path)
    try:
        plain = torch.load(checked, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        said = (str(error).splitlines() or [""])[0][:300]
        raise CheckpointError(f"{path}: is damaged: {said}") from None
    if not isinstance(plain, dict):
        raise CheckpointError(f"{path}: is no checkpoint of this project; {MAKE_ONE}")
    return dict(dict.items(plain))  # an OrderedDict may hide its own methods


def load(path: Path) -> Checkpoint:
    """The checkpoint of a file, its models in eval mode.

    Raises:
        CheckpointError: missing, not ours, of a later format, damaged, or holding more than plain
            types.
    """
    plain = read(path)
    version = plain.get("format_version")
    if not isinstance(version, int):
        raise CheckpointError(f"{path}: is no checkpoint of this project; {MAKE_ONE}")
    if version > FORMAT:
        known = f"this version reads up to {FORMAT}; use a newer version"
        raise CheckpointError(f"{path}: has format {version}, {known}")
    missing = [key for key in NEEDED if key not in plain]
    if missing:
        raise CheckpointError(f"{path}: lacks {', '.join(missing)}; make it again with train.py")
    try:
        return Checkpoint.from_plain(plain)
    except (
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
    ) as error:
        first = str(error).split("\n")[0][:300]
        said = "".join(c if c.isprintable() else "?" for c in first)
        raise CheckpointError(f"{path}: weights and configuration do not fit: {said}") from None


def check_tensors(states: list[Plain]) -> None:
    """Raise ValueError if tensors share their numbers: a small file could then stand for many."""
    tensors = [
        value for state in states for value in state.values() if isinstance(value, torch.Tensor)
    ]
    places = [tensor.untyped_storage().data_ptr() for tensor in tensors]
    filled = [place for place in places if place]
    if len(set(filled)) < len(filled):
        raise ValueError("tensors that share their numbers")


def build_model(config: Plain) -> VisionTransformer:
    """The untrained model of a flat configuration, as ViT.ckpt keeps it."""
    return VisionTransformer(CONFIG.load(None, CONFIG.FORMER_VALUES | config))


def _model(config: Config, state: Plain) -> VisionTransformer:
    """The weights of the model alone: what training added for itself stays behind."""
    prefix = "model."
    own = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    with torch.device("meta"):  # no memory is taken for what the weights do not fill
        model = VisionTransformer(config)
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    if {name: value.shape for name, value in own.items()} != wanted:
        raise ValueError("got weights of other names or shapes than its configuration's")
    weights = {}
    for name, value in own.items():
        weights[name] = value.float()  # 64 bit numbers may be too large for 32 bit
        is_whole = value.is_floating_point() and value.is_contiguous()
        if not is_whole or not weights[name].isfinite().all():
            raise ValueError(f"{name}: wanted floating, finite numbers, each there by itself")
    model.load_state_dict(weights, assign=True)
    return model.eval()
