"""What training begins with: weights of the box, those of a file, or random ones."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

import errors
from CONFIG import USUAL_SIZE, Config, ConfigError
from data.group_dataset import owners
from data.processed import Processed
from data.samples import Sample
from errors import UserError
from files import written_whole
from locks import held_beside
from training.data_module import preprocessing_of, stored_size
from training.initial_weights import BROUGHT, SHAPING, InitialWeights
from training.probe import auroc_of, images_for, questions_of
from vit.archive import CheckpointError
from vit.checkpoint_gate import Plain
from vit.model import VisionTransformer

BOX = Path(__file__).resolve().parents[1] / "weights"
RANDOM = "random weights"
WAIT = 600.0  # seconds that another process may compare
# what auto means for learning rate and epochs
RATE = 5e-4
RATE_FROM_RANDOM = 1e-3
EPOCHS = 25
EPOCHS_FROM_RANDOM = 60
LEAST_STEPS = 150
MOST_EPOCHS = 100
FEW = 50  # training images below which a comparison decides little


@dataclass(frozen=True)
class Beginning:
    """What a training begins with.

    Args:
        config: with the shape and the image size that the weights need.
        init: the weights; None: random ones.
        probe: for each beginning that was compared the AUROC of a probe; {}: none was.
    """

    config: Config
    init: InitialWeights | None = None
    probe: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if keys := self.config.open_keys():
            raise ValueError(f"got {', '.join(keys)} auto, wanted numbers")

    @property
    def provenance(self) -> Plain:
        """What ViT.ckpt keeps of it."""
        of_weights = self.init.provenance() if self.init else {}
        return {**of_weights, **({"probe": self.probe} if self.probe else {})}


def begin(config: Config, folder: Processed, output: Path) -> Beginning:
    """Choose as ``init`` says.

    With ``auto``, the weights of the box and random ones are compared on training images: whose
    frozen tokens tell the classes apart best? The choice is kept in ``output``, so that a resumed
    run, or another process of it, does not compare again.

    Raises:
        CheckpointError: weights that are missing, damaged, or of another architecture.
        ConfigError: an image size that their patches do not divide.
        UserError: no weights are in the box.
    """
    stored = stored_size(folder) or USUAL_SIZE
    if config.init == "none" or (config.init == "auto" and config.phantoms != "none"):
        return _from_random(config, stored)
    if config.init == "auto":
        return _chosen(config, folder, output, stored)
    begun = _from_weights(config, InitialWeights(Path(config.init)), folder)
    _say_what_it_brings(config, begun)
    return begun


def _from_random(config: Config, stored: int) -> Beginning:
    if stored % config.patch_size:
        stored = USUAL_SIZE
    lr = config.lr or RATE_FROM_RANDOM
    epochs = config.epochs or EPOCHS_FROM_RANDOM
    return Beginning(replace(config.sized(stored), lr=lr, epochs=epochs))


def _from_weights(config: Config, weights: InitialWeights, folder: Processed) -> Beginning:
    labels = max(1, labels_in(folder.of("train"), config))
    steps = labels // min(config.labels_per_step, labels)  # of an epoch
    needed = -(-LEAST_STEPS // steps)
    epochs = config.epochs or max(EPOCHS, min(needed, MOST_EPOCHS))
    # fewer labels a step, more noise: Goyal et al. 2017, arXiv 1706.02677, linear scaling rule
    lr = config.lr or RATE * config.labels_per_step / config.batch_size
    return Beginning(replace(weights.shaped(config), lr=lr, epochs=epochs), weights)


def labels_in(samples: Sequence[Sample], config: Config) -> int:
    """How many labels images have: one each, or one for each of their groups."""
    if config.label_of == "image":
        return len(samples)
    return len(set(owners(samples)))


def _chosen(config: Config, folder: Processed, output: Path, stored: int) -> Beginning:
    fresh = _from_random(config, stored)
    fitting, reasons = _from_box(config, folder)
    if not fitting:
        errors.note(
            "init: auto: training begins with random weights, for none of weights/ fit this "
            f"configuration: {'; '.join(reasons)}. init: none begins so without this note"
        )
        return fresh
    file = output / "runs" / f"init-{_key(fitting, fresh, folder)}.json"
    with held_beside(file, WAIT):
        candidates = {**fitting, RANDOM: fresh}
        probe = _kept(file)
        if probe is None or (probe and probe.keys() != candidates.keys()):
            probe = _compared(candidates, folder)
            file.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(file) as beside:
                beside.write_text(json.dumps(probe), encoding="utf-8")
    if not probe:
        errors.note(
            "init: auto: training begins with random weights, for the training images are of too "
            "few groups to compare weights; init: weights/FILE names those to begin with"
        )
        return fresh
    best = max(probe, key=lambda name: (probe[name], name != RANDOM))
    figures = ", ".join(f"{name} {value:.3f}" for name, value in probe.items())
    errors.say(f"AUROC of frozen tokens on training images: {figures}; training begins with {best}")
    if (count := len(folder.of("train"))) < FEW:
        errors.note(
            f"init: auto: {count} training images are few, so this choice is unsure; with init: "
            "weights/FILE you choose the weights yourself"
        )
    chosen = replace(fitting.get(best, fresh), probe=probe)
    _say_what_it_brings(config, chosen)
    return chosen


def _from_box(config: Config, folder: Processed) -> tuple[dict[str, Beginning], list[str]]:
    """By its name each file of weights/ that fits the configuration; why the others do not."""
    fitting: dict[str, Beginning] = {}
    reasons = []
    files = sorted(BOX.glob("*.safetensors"))
    if not files:
        raise UserError(
            f"{BOX}: holds no weights; get them again with: git checkout -- weights, or set init: "
            "none"
        )
    for file in files:
        try:
            weights = InitialWeights(file)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; if it is one of ours, get it again with: git checkout -- weights, else "
                "remove it; or set init: none"
            ) from None
        try:
            begun = _from_weights(config, weights, folder)
        except ConfigError as error:
            reasons.append(f"{file.name}: {error}")
            continue
        if wanted := weights.wanted_of(begun.config):
            reasons.append(f"{file.name}: set {wanted}")
        else:
            fitting[file.stem] = begun
    return fitting, reasons


def _compared(candidates: dict[str, Beginning], folder: Processed) -> dict[str, float]:
    """AUROC of each; {}: the images do not allow it."""
    samples = images_for(folder, next(iter(candidates.values())).config.seed)
    questions = questions_of(folder, samples)
    if not questions:
        return {}
    found = {}
    for name, each in candidates.items():
        with torch.random.fork_rng([]):
            torch.manual_seed(each.config.seed)
            model = VisionTransformer(each.config)
        if each.init:
            each.init.give_to(model, each.config)
        preprocessing = preprocessing_of(folder, each.config)
        found[name] = round(auroc_of(model, preprocessing, folder, samples, questions), 4)
    return found


def _key(fitting: dict[str, Beginning], fresh: Beginning, folder: Processed) -> str:
    """Of all that the comparison depends on."""
    digests = [f"{name} {each.init.digest}" for name, each in fitting.items() if each.init]
    configs = [each.config.fingerprint() for each in (*fitting.values(), fresh)]
    parts = [*digests, *configs, folder.split_hash(), folder.content_hash()]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]


def _kept(file: Path) -> dict[str, float] | None:
    """What an earlier comparison found; None: there is none, or it is damaged."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    figures = known.values() if isinstance(known, dict) else [None]
    whole = all(isinstance(value, float) and 0 <= value <= 1 for value in figures)
    return known if whole else None


def _say_what_it_brings(before: Config, begun: Beginning) -> None:
    """Say which keys are other than config.yml and the command line have them."""
    keys = ("image_size", "lr", "epochs", *SHAPING, *BROUGHT)
    pairs = [(key, getattr(before, key), getattr(begun.config, key)) for key in keys]
    told = ", ".join(f"{key} {after}" for key, given, after in pairs if given != after)
    if told:
        name = begun.init.path.name if begun.init else "random weights"
        errors.say(f"{name}: {told}")
