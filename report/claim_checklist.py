"""The items of CLAIM 2024, with what a run knows about itself filled in and all else left open.

Tejani et al. 2024, "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update",
Radiology: Artificial Intelligence 6(4):e240300. Topics in our words; no score is made of them, for
what matters is the text.
"""

import dataclasses
from typing import Any

from CONFIG import Config
from data.processed import Processed
from metrics.groups import shared

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


def filled(
    about: dict[str, Any], folder: Processed | None, headline: str
) -> list[tuple[int, str, str]]:
    """(number, topic, what the run knows or "") of every item.

    Args:
        about: what ViT.ckpt holds.
        folder: that the images lie in.
        headline: the AUROC in words, or empty where no truth is known.
    """
    data = folder.info if folder else {}
    disjoint = ""
    if folder:
        split = [sample.split for sample in folder.samples]
        tied = shared([(sample.group,) for sample in folder.samples])
        leaks = sum(len({split[i] for i in images}) > 1 for images in tied)
        disjoint = "groups of images that belong together (a patient, a vessel, near-identity): "
        disjoint += f"{leaks} of them lie in several splits" if leaks else "none lies in two splits"
    config = dataclasses.asdict(Config()) | about["config"]
    how = about["preprocessing"]
    members = len(about.get("history") or [0])
    versions = ", ".join(f"{name} {number}" for name, number in about.get("versions", {}).items())
    learned = len(about.get("training_images_sha256", []))
    source = (
        "weights of another run, see the model card"
        if about.get("init")
        else "random, truncated normal"
    )
    span = (
        f"mean {how['mean']:.3f} and deviation {how['std']:.3f} of the training images"
        if how["mean"] is not None
        else "mean and deviation of each image"
    )
    epoch = about.get("validation", {}).get("epoch", "?")
    chosen = f"weights of epoch {epoch}, best AUROC on the validation images"
    how_chosen = (
        chosen
        if about.get("epoch_chosen_on_validation", True)
        else "weights of the last epoch of each fold"
    )
    known = {
        9: f"grey, {how['image_size']} px, borders up to {100 * how['border']:.0f} % cut, scaled by {span}",
        10: "; ".join(data.get("notes", [])),
        19: str(data.get("split", "")),
        20: disjoint,
        22: f"Vision Transformer, {config['num_hidden_layers']} blocks of {config['num_heads']} heads, "
        f"{config['embedding_size']} channels, patches of {config['patch_size']} px, {config['stem']} stem",
        23: versions,
        24: source,
        25: f"AdamW, learning rate {config['lr']:g}, at most {config['epochs']} epochs in batches of "
        f"{config['batch_size']}, seed {config['seed']}; every key under Configuration",
        26: how_chosen,
        27: f"logits of {members} models, one of each fold, averaged"
        if members > 1
        else "none, a single model",
        28: "AUROC, average precision, sensitivity, specificity, predictive values, Brier score, calibration error",
        29: "95 % intervals by bootstrap of whole groups",
        31: "maps of where the evidence lies, by the methods that the page offers",
        32: headline,
        35: f"{learned} images were learned from; exclusions are not known to the run"
        if learned
        else "",
        37: headline,
        38: "see Figures, with 95 % intervals" if headline else "",
        39: "wrong predictions can be filtered under Images; a reading of them is open"
        if headline
        else "",
    }
    return [(number, topic, known.get(number, "")) for number, topic in enumerate(ITEMS, 1)]
