"""The items of CLAIM 2024, with what a run knows about itself filled in and all else left open.

Tejani et al. 2024, "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update",
Radiology: Artificial Intelligence 6(4):e240300. Topics in our words; no score is made of them, for
what matters is the text.
"""

from data.processed import Processed
from metrics.groups import shared
from vit.checkpoint import Checkpoint, Provenance

ITEMS = (
    "Title: says that it is artificial intelligence, and which kind",
    "Abstract: structured summary",
    "Background: scientific and clinical, intended use",
    "Aims and hypotheses",
    "Prospective or retrospective",
    "Goal of the study",
    "Where the data come from",
    "Who and what was included and excluded",
    "Preprocessing",
    "Selection of parts of the data",
    "De-identification",
    "Missing data",
    "How the images were acquired",
    "Reference standard: definition",
    "Reference standard: why this one",
    "Reference standard: who annotated",
    "Annotation of the test set",
    "Variability within and between annotators",
    "How images were assigned to splits",
    "Level at which splits share nothing",
    "Intended sample size",
    "The model in detail",
    "Software and versions",
    "How weights were initialised",
    "How it was trained",
    "How the final model was selected",
    "Ensembles",
    "Metrics",
    "Statistics of significance and uncertainty",
    "Robustness or sensitivity analysis",
    "How predictions are explained",
    "Evaluation on internal data",
    "Testing on external data",
    "Trial registration",
    "How many patients and examinations, included and excluded",
    "Patients' characteristics in each split",
    "Performance with its uncertainty",
    "Diagnostic accuracy with its precision",
    "Failures looked into",
    "Limitations",
    "Implications for practice",
    "Protocol and further technical details",
    "Availability of software, model and data",
    "Funding",
)
OF_CLASSES = (
    "AUROC, average precision, sensitivity, specificity, predictive values, Brier score, "
    "calibration error"
)
OF_FINDINGS = "AUROC, average precision, sensitivity, specificity of each finding, mean AUROC"
OF_GRADES = "quadratic weighted kappa, mean absolute error in grades, AUROC of each cut"


def claim_checklist(
    checkpoint: Checkpoint, folder: Processed | None, headline: str
) -> list[tuple[int, str, str]]:
    """(number, topic, what the run knows or "") of every item.

    Args:
        checkpoint: the model.
        folder: that the images lie in; None: none is known.
        headline: the AUROC in words, or empty where no truth is known.
    """
    known = {
        **_of_data(folder),
        **_of_model(checkpoint),
        **_of_training(checkpoint),
        28: _metrics(checkpoint),
        29: "95 % intervals by bootstrap of whole groups",
        31: "maps of where the evidence lies, by the methods that the page offers",
    }
    if headline:
        known[32] = headline
        known[37] = headline
        known[38] = "see Figures, with 95 % intervals"
        known[39] = "wrong predictions can be filtered under Images; a reading of them is open"
    return [(number, topic, known.get(number, "")) for number, topic in enumerate(ITEMS, 1)]


def _metrics(checkpoint: Checkpoint) -> str:
    if checkpoint.multilabel:
        return OF_FINDINGS
    return OF_GRADES if checkpoint.ordered else OF_CLASSES


def _of_data(folder: Processed | None) -> dict[int, str]:
    if folder is None:
        return {}
    split = [sample.split for sample in folder.samples]
    tied = shared([(sample.group,) for sample in folder.samples])
    leaks = sum(len({split[i] for i in images}) > 1 for images in tied)
    found = f"{leaks} of them lie in several splits" if leaks else "none lies in two splits"
    groups = "groups of images that belong together (a patient, a vessel, near-identity)"
    return {
        10: "; ".join(folder.info.get("notes", [])),
        19: str(folder.info.get("split", "")),
        20: f"{groups}: {found}",
    }


def _of_model(checkpoint: Checkpoint) -> dict[int, str]:
    config = checkpoint.config
    preprocessing = checkpoint.preprocessing
    scaled = "mean and deviation of each image"
    if preprocessing.mean is not None:
        scaled = (
            f"mean {preprocessing.mean:.3f} and deviation {preprocessing.std:.3f} of the training "
            "images"
        )
    members = len(checkpoint.provenance.history)
    ensemble = f"logits of {members} models, one of each fold, averaged"
    return {
        9: f"grey, {preprocessing.image_size} px, borders up to {100 * preprocessing.border:.0f} % "
        f"cut, scaled by {scaled}",
        22: f"Vision Transformer, {config.num_hidden_layers} blocks of {config.num_heads} heads, "
        f"{config.embedding_size} channels, patches of {config.patch_size} px, {config.stem} stem",
        27: ensemble if members > 1 else "none, a single model",
    }


def _of_training(checkpoint: Checkpoint) -> dict[int, str]:
    config = checkpoint.config
    provenance = checkpoint.provenance
    another = "weights of another run, see the model card"
    chosen = "weights of the last epoch of each fold"
    if provenance.epoch_chosen_on_validation:
        epoch = provenance.validation.get("epoch", "?")
        chosen = f"weights of epoch {epoch}, best AUROC on the validation images"
    known = {
        23: versions_in_words(provenance),
        24: another if "run" in provenance.init else "random, truncated normal",
        25: f"AdamW, learning rate {config.lr:g}, at most {config.epochs} epochs in batches of "
        f"{config.batch_size}, seed {config.seed}; every key under Configuration",
        26: chosen,
    }
    learned = len(provenance.training_images_sha256)
    if learned:
        known[35] = f"{learned} images were learned from; exclusions are not known to the run"
    return known


def versions_in_words(provenance: Provenance) -> str:
    """The versions of Python and of the libraries, or "" where they are not known."""
    return ", ".join(f"{name} {number}" for name, number in provenance.versions.items())
