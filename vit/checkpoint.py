"""ViT.ckpt: written whole, and read without running anything that it holds."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch

import CONFIG
from CONFIG import Config
from data.preprocessing import Preprocessing
from files import written_whole
from metrics.conformal import Scores
from metrics.estimate import Estimate
from vit import familiarity
from vit.archive import CheckpointError, screened
from vit.checkpoint_gate import FORMAT as FORMAT
from vit.checkpoint_gate import NEEDED, Plain, check, check_tensors
from vit.familiarity import Familiarity
from vit.model import VisionTransformer

MAKE_ONE = "make one with train.py"


@dataclass(frozen=True)
class Provenance:
    """Where a checkpoint comes from, and how its training went.

    Args:
        run: name of the run.
        split_sha256: of which image was in which split under which label.
        training_images_sha256: of the source of each training image; none after phantoms.
        prepared_images_sha256: of the stored pixels of each training image, likewise.
        content_sha256: of all that was trained and validated on, see Processed.content_hash.
        versions: of Python and of the libraries.
        init: run, configuration, split and images of the weights that training began with, and the
            figures of those that were compared; {}: random ones.
        validation: epoch of the weights, and the metrics of that epoch.
        estimates: on the validation images, with their intervals.
        epoch_chosen_on_validation: whether validation chose the epoch; its metrics look too good.
        history: for each model the metrics of every epoch.
        recalibrated_images: of another place, that temperature, threshold and limits were fitted
            to; 0: to those of validation.
    """

    run: str = ""
    split_sha256: str = ""
    training_images_sha256: list[str] = field(default_factory=list)
    prepared_images_sha256: list[str] = field(default_factory=list)
    content_sha256: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    init: Plain = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    epoch_chosen_on_validation: bool = True
    history: list[list[dict[str, float]]] = field(default_factory=list)
    recalibrated_images: int = 0

    @property
    def known_images(self) -> set[str]:
        """By which an image is known as one of training."""
        before = self.init.get("known_images_sha256", [])
        return {*self.training_images_sha256, *self.prepared_images_sha256, *before}

    @classmethod
    def from_plain(cls, plain: Plain) -> "Provenance":
        """From the keys of ViT.ckpt, of which older files lack some."""
        names = {each.name for each in dataclasses.fields(cls)} - {"estimates"}
        given = {name: plain[name] for name in names if name in plain}
        figures = plain.get("figures", {})
        estimates = {name: Estimate(*values) for name, values in figures.items()}
        return cls(**given, estimates=estimates)

    def plain(self) -> Plain:
        """The keys of ViT.ckpt; what is not known is left out."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        values["figures"] = {
            name: [each.value, each.low, each.high]
            for name, each in values.pop("estimates").items()
        }
        always = ("run", "split_sha256", "training_images_sha256", "epoch_chosen_on_validation")
        return {name: value for name, value in values.items() if value or name in always}


@dataclass(frozen=True)
class Checkpoint:
    """All that prediction needs.

    Args:
        config: of the training.
        class_names: in index order, the positive one last.
        preprocessing: what is done to an image before the model sees it.
        threshold: probability from which on an image of two classes counts as positive.
        temperature: that logits are divided by.
        conformal_scores: for the prediction sets, see metrics.conformal; {}: none.
        provenance: where it comes from.
        models: in eval mode; several are the folds of a cross-validation. None while in training.
        familiarity: of each model; none: it cannot tell images that are unlike.
    """

    config: Config
    class_names: list[str]
    preprocessing: Preprocessing
    threshold: float = 0.5
    temperature: float = 1.0
    conformal_scores: Scores = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    models: list[VisionTransformer] = field(default_factory=list)
    familiarity: list[Familiarity] = field(default_factory=list)

    @property
    def positive(self) -> str:
        """The class whose probability is followed."""
        return self.class_names[-1]

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
        names = plain["class_names"]
        scores = plain.get("conformal_scores") or {}
        return cls(
            config,
            names,
            Preprocessing.from_plain(plain["preprocessing"], config.num_channels),
            plain["threshold"],
            plain["temperature"],
            {name: sorted(map(float, scores[name])) for name in names} if scores else {},
            Provenance.from_plain(plain),
            models,
            [familiarity.restore(model, state) for model, state in pairs],
        )

    def plain(self) -> Plain:
        """All of it but the weights, in the form that ViT.ckpt keeps."""
        values: Plain = {
            "format_version": FORMAT,
            "config": dataclasses.asdict(self.config),
            "class_names": self.class_names,
            "preprocessing": self.preprocessing.plain(),
            "threshold": self.threshold,
            "temperature": self.temperature,
            **self.provenance.plain(),
        }
        if self.conformal_scores:
            values["conformal_scores"] = self.conformal_scores
        return values

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
