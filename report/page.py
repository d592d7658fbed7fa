"""The report: one HTML file with figures, every image, its map, and what was trained on what; it
needs no network.
"""

import base64
import dataclasses
import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import torch
from markupsafe import Markup
from sklearn.metrics import confusion_matrix

from CONFIG import Config
from data import processed
from data.audit import audit, table
from data.inputs import gather
from data.readers import DataError
from files import keeping_former, written_whole
from metrics.intervals import Estimate, evaluate
from metrics.levels import levels, subgroup_columns, subgroups
from report import charts
from report.claim_checklist import filled
from report.gallery import Parts, gallery
from vit.checkpoint import load
from vit.explain import DEFAULT
from vit.predictor import Prediction, judge

MOST_AUDITED = 10_000  # images: a minute
AT_ONCE = 16  # images, after training
NEAR = 4  # folders above an image where a ProcessedFolder is looked for


def write(
    path: Path,
    parts: Parts,
    about: dict[str, Any],
    device: torch.device,
    batch_size: int,
    checkpoint: Path,
) -> None:
    """Write the report of predictions to ``path``; a former one is kept.

    Args:
        parts: predictions, and the models that made them and explain them; of folds one for each
            fold.
        about: what ViT.ckpt holds besides weights.
        checkpoint: the ViT.ckpt, named on the page.
    """
    here = Path(__file__).parent
    script, style = ((here / f"page.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    said = [each for predictions, _ in parts for each in predictions]
    folder = _folder(said[0].item.path)
    context = _figures(said, about) | _training(about, folder, checkpoint)
    context["epoch_chosen"] = about.get("epoch_chosen_on_validation", True)
    context["notes"] = _notes(said, context["same"] == "yes", not context["epoch_chosen"])
    context["claim"] = filled(about, folder, context["headline"] if context["figures"] else "")
    root = _shared([Path(each.item.name).parent.parts for each in said])
    context["title"] = f"{about['class_names'][-1]} or not: {checkpoint.name} on {Path(*root[-2:])}"
    context |= {
        "data": gallery(parts, about, device, batch_size, Path(*root)),
        "method": DEFAULT,
        "css": Markup(style),
    }
    context |= {
        "script": Markup(script),
        "digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here), autoescape=True, undefined=jinja2.StrictUndefined
    )
    pages.filters["interval"] = lambda figure: (
        "" if np.isnan(figure.low) else f"{figure.low:.3f} to {figure.high:.3f}"
    )
    text = pages.get_template("page.html").render(context, date=time.strftime("%Y-%m-%d %H:%M"))
    with keeping_former(path), written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def of_validation(
    checkpoint: Path, folder: processed.Processed, folds: int, device: torch.device
) -> None:
    """Write report.html beside a ViT.ckpt that was just trained: of its validation images, or of
    all out of fold.

    Args:
        folder: what it was trained on.
        folds: of the cross-validation; 0: there was none.
    """
    models, about = load(checkpoint)
    parts: Parts = []
    for number in range(max(1, folds)):
        own = models
        told = about
        side = folder
        if folds:  # each image by the one model that did not learn from it
            own = models[number : number + 1]
            side = folder.with_fold(number)
            told = about | {
                "familiarity": about.get("familiarity", [])[number : number + 1],
                "training_images_sha256": [],
            }
        inputs = gather(
            [side.folder / sample.path for sample in side.of("val")], about["class_names"]
        )
        parts.append((judge(inputs, own, told, device, AT_ONCE, tell=False), own))
    write(checkpoint.with_name("report.html"), parts, about, device, AT_ONCE, checkpoint)


def _shared(paths: list[tuple[str, ...]]) -> list[str]:
    """The folders that all paths begin with."""
    alike = [len(set(parts)) == 1 for parts in zip(*paths, strict=False)]
    return list(paths[0][: [*alike, False].index(False)])


def _folder(image: Path) -> processed.Processed | None:
    """The ProcessedFolder that an image lies in."""
    for parent in list(image.resolve().parents)[:NEAR]:
        if (parent / "dataset.json").is_file():
            try:
                return processed.load(parent)
            except DataError:
                return None  # predictions stand without it
    return None


def _figures(said: list[Prediction], about: dict[str, Any]) -> dict[str, Any]:
    """Everything that follows from truth and probabilities, rounded as in predictions.csv."""
    names = about["class_names"]
    threshold = about["threshold"]
    rows = [each.item.row | each.row(names) for each in said if each.item.truth]
    groups = [row.get("group") or row["path"] for row in rows]
    truths = Counter(each.item.truth or "truth not known" for each in said)
    context: dict[str, Any] = {"classes": names, "positive": names[-1], "threshold": threshold}
    context |= {"groups": len(set(groups)), "charts": {}}
    context |= {"counts": ", ".join(f"{count} {name}" for name, count in truths.items())}
    context |= {"figures": [], "confusion": [], "levels": [], "subgroups": []}
    present = {row["truth"] for row in rows}
    if len(present) < 2:
        return context | {
            "headline": "No figures: the truth is not known, or is the same for all images."
        }
    labels, called = (
        np.array([names.index(row[column]) for row in rows]) for column in ("truth", "predicted")
    )
    counts = confusion_matrix(labels, called, labels=range(len(names))).tolist()
    context["confusion"] = list(zip(names, counts, strict=True))
    scores = np.array(
        [[float(row[f"probability_{name}"]) for name in names] for row in rows]
    )  # (n, classes)
    if len(names) > 2:
        areas = {
            f"AUROC, {name} or not": evaluate(labels == k, scores[:, k], groups)["auroc"]
            for k, name in enumerate(names)
            if name in present
        }
        headline = "; ".join(f"{name} {area}" for name, area in areas.items())
        return context | {"figures": list(areas.items()), "headline": headline}
    figures = evaluate(labels, scores[:, 1], groups, threshold)
    context["figures"] = _named(figures)
    context["headline"] = f"AUROC {figures['auroc']} on {len(rows)} images of known truth"
    context["charts"] = charts.of_predictions(labels == 1, scores[:, 1], threshold, names)
    above = [(level, _named(level.figures(threshold))) for level in levels(rows, names[1])[1:]]
    context["levels"] = [(level, values) for level, values in above if values]
    for column in subgroup_columns(rows, processed.COLUMNS):
        context["subgroups"].append((column, list(subgroups(rows, names[1], column, threshold))))
    return context


def _named(figures: dict[str, Estimate]) -> list[tuple[str, Estimate]]:
    short = ("auroc", "ppv", "npv", "f1")
    return [
        (name.upper() if name in short else name.replace("_", " "), figure)
        for name, figure in figures.items()
    ]


def _notes(said: list[Prediction], same: bool, folds: bool) -> list[str]:
    """What a reader has to know before the figures; ``same``: the images are of the folder that was
    trained on.
    """
    learned = sum(each.in_training for each in said)
    unlike = sum((each.unlike or 0) > 1 for each in said)
    notes = [
        f"{learned} of {len(said)} images were trained on: what is said of them flatters."
    ] * bool(learned)
    notes += [
        f"{unlike} of {len(said)} images lie farther from the training images than 19 in 20 of like images do: "
        "what the model says of them may mean nothing."
    ] * bool(unlike)
    validated = {"train", "val"} if folds else {"val"}  # of folds every image but those for testing
    if same and not learned and {each.item.row.get("split") for each in said} <= validated:
        chosen = "Temperature" if folds else "The epoch, temperature"
        notes.append(f"{chosen} and threshold were chosen on these images: the figures flatter.")
    return notes


def _training(
    about: dict[str, Any], folder: processed.Processed | None, checkpoint: Path
) -> dict[str, Any]:
    """What was trained on what, by the checkpoint and by the folder of the images."""
    names = about["class_names"]
    config = dataclasses.asdict(Config()) | about["config"]
    config["data_folder"] = Path(
        config["data_folder"]
    ).name  # where it lies on this machine is nobody's business
    splits = list[tuple[str, list[int]]]()
    summary = ""
    same = "not known"
    no_audit = "The images lie in no ProcessedFolder. Of raw images, python -m data.audit --Path FOLDER makes one."
    if folder:
        known = (
            folder.split_hash(),
            folder.with_fold(0).split_hash(),
        )  # the second after a cross-validation
        same = "yes" if about.get("split_sha256") in known else "no: other images, labels or splits"
        for split in processed.SPLITS:
            if own := folder.of(split):
                counts = Counter(sample.label for sample in own)
                splits.append(
                    (
                        split,
                        [*(counts[name] for name in names), len({sample.group for sample in own})],
                    )
                )
        command = f"python -m data.audit --Path {folder.folder.name}"
        no_audit = f"Not made for more than {MOST_AUDITED:,} images: {command}"
        if len(folder.samples) <= MOST_AUDITED:
            summary = f"{table(audit(folder.folder) | {'path': folder.folder.name})}\nevery find: {command}"
    count = len(about.get("training_images_sha256", []))
    from_weights = about.get("init", {}).get("run")
    learned = f"{count} images" if count else f"phantoms ({config['phantoms']})"
    begun = f"the weights of run {from_weights}" if from_weights else "random weights"
    versions = ", ".join(f"{name} {number}" for name, number in about.get("versions", {}).items())
    facts = [
        (
            "checkpoint",
            f"{checkpoint.name}, sha256 {hashlib.sha256(checkpoint.read_bytes()).hexdigest()}",
        )
    ]
    facts += [
        ("run", about.get("run", "not known")),
        ("learned from", learned),
        ("began with", begun),
    ]
    facts += [
        ("sha256 of the split", about.get("split_sha256", "not known")),
        ("data folder is as in training", same),
    ]
    facts += [("classes", ", ".join(names)), ("temperature", f"{about['temperature']:.3f}")]
    facts += [("threshold", f"{about['threshold']:.4f}"), ("versions", versions or "not known")]
    facts += [
        ("preparation of the data", note)
        for note in (folder.info.get("notes", []) if folder else [])
    ]
    histories = [rows for rows in about.get("history", []) if rows]
    told = {
        "splits": splits,
        "audit": summary,
        "no_audit": no_audit,
        "facts": facts,
        "config": list(config.items()),
    }
    told |= {"learned": learned, "begun": begun, "size": config["image_size"], "same": same}
    return told | {"curves": charts.of_training(histories) if histories else {}}
