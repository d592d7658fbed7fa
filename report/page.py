"""The report: one HTML file with figures, every image, its map, and what was trained on what.

It needs no network.
"""

import base64
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jinja2
import numpy as np
import torch
from markupsafe import Markup

from data.group_dataset import owners
from data.inputs import gather
from data.processed import Processed
from files import written_whole
from metrics.intervals import Estimate
from report.claim_checklist import claim_checklist
from report.gallery import Parts, gallery
from report.own_folder import folder_of, is_trained_on
from report.results import results_of
from report.training_facts import audit_of, training_of
from training.validation import Validation
from vit import checkpoint as checkpoints
from vit import group_predictions
from vit.checkpoint import Checkpoint
from vit.map_request import DEFAULT
from vit.predictions import Prediction, Predictions
from vit.torch_predictor import TorchPredictor

HERE = Path(__file__).parent


def write(path: Path, parts: Parts, checkpoint: Path) -> None:
    """Write the report of predictions; a former one is kept.

    Args:
        path: the HTML file to write.
        parts: predictions, and the predictor that made them and explains them.
        checkpoint: the ViT.ckpt, named on the page.
    """
    _write(path, parts, parts[0][1].checkpoint, checkpoint)


def of_validation(
    checkpoint: Path, folder: Processed, validations: list[Validation], device: torch.device
) -> None:
    """Write report.html of the validation images beside a ViT.ckpt that was just trained.

    Args:
        checkpoint: the ViT.ckpt.
        folder: what it was trained on.
        validations: of its one run; or of each fold, whose model alone did not learn from them.
        device: that explains.
    """
    source = checkpoints.load(checkpoint)
    if len(validations) == 1:
        parts = [_validated(folder, validations[0], TorchPredictor(source, device))]
    else:
        parts = [
            _validated(folder.with_fold(number), validation, _of_fold(source, number, device))
            for number, validation in enumerate(validations)
        ]
    _write(checkpoint.with_name("report.html"), parts, source, checkpoint)


def _of_fold(source: Checkpoint, number: int, device: torch.device) -> TorchPredictor:
    """The model of a fold. Which images it did not learn from, only its fold says."""
    member = source.member(number)
    provenance = replace(member.provenance, training_images_sha256=[], prepared_images_sha256=[])
    return TorchPredictor(replace(member, provenance=provenance), device)


def _validated(
    folder: Processed, validation: Validation, predictor: TorchPredictor
) -> tuple[Predictions, TorchPredictor]:
    """The predictions that validation has made already; those of groups are made again."""
    samples = folder.of("val")
    paths = [folder.folder / sample.path for sample in samples]
    inputs = gather(paths, predictor.class_names, folder.folder, predictor.findings)
    if predictor.of_groups:
        return group_predictions.answer(predictor, inputs, owners(samples)).groups, predictor
    names = [sample.path for sample in samples]
    assert names == validation.paths, "validation was of other images"
    return predictor.answer(inputs, logits=validation.logits), predictor


def _write(path: Path, parts: Parts, source: Checkpoint, checkpoint: Path) -> None:
    """``source`` is the whole model, of which a part may hold one fold."""
    predictions = [each for part, _ in parts for each in part]
    folder = folder_of(predictions[0].item.path)
    results = results_of(predictions, source)
    headline = results.headline if results.estimates else ""
    root = _common_folder([Path(each.item.name).parent for each in predictions])
    audit, no_audit = audit_of(folder)
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    text = _template().render(
        title=f"{source.question}: {checkpoint.name} on {Path(*root.parts[-2:])}",
        date=time.strftime("%Y-%m-%d %H:%M"),
        checkpoint=source,
        notes=_notes(predictions, source, folder),
        unit=predictions[0].UNIT,
        results=results,
        data=gallery(parts, root),
        method=DEFAULT,
        training=training_of(source, folder, checkpoint),
        audit=audit,
        no_audit=no_audit,
        claim=claim_checklist(source, folder, headline),
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        digest=base64.b64encode(digest).decode(),
    )
    with written_whole(path, keep_former=True) as beside:
        beside.write_text(text, encoding="utf-8")


def _template() -> jinja2.Template:
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    pages.filters["interval"] = _interval
    pages.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
    return pages.get_template("page.html")


def _interval(estimate: Estimate) -> str:
    return "" if np.isnan(estimate.low) else f"{estimate.low:.3f} to {estimate.high:.3f}"


def _common_folder(folders: list[Path]) -> Path:
    """The folder that all of them begin with."""
    columns = zip(*(folder.parts for folder in folders), strict=False)
    alike = [len(set(column)) == 1 for column in columns]
    return Path(*folders[0].parts[: [*alike, False].index(False)])


def _notes(
    predictions: Sequence[Prediction], source: Checkpoint, folder: Processed | None
) -> list[str]:
    """What a reader has to know before the figures."""
    total = f"{len(predictions)} {predictions[0].UNIT}"
    learned = sum(each.in_training for each in predictions)
    unlike = sum(each.is_unlike for each in predictions)
    notes = []
    if predictions[0].UNIT != Prediction.UNIT:
        notes.append(
            "Labels are of groups of images, such as patients: each row below is a group, shown by "
            "the picture that decided; its probability comes from all pictures of the group."
        )
    if learned:
        notes.append(f"{learned} of {total} were trained on: their predictions look too good.")
    if unlike:
        notes.append(
            f"{unlike} of {total} lie farther from the training images than 19 in 20 of like "
            "images do: what the model says of them may mean nothing."
        )
    epoch_chosen = source.provenance.epoch_chosen_on_validation
    # of folds every image but those for testing
    validated = {"val"} if epoch_chosen else {"train", "val"}
    splits = {each.item.row.get("split") for each in predictions}
    recalibrated = source.provenance.recalibrated_images
    has_threshold = source.ordered or source.multilabel or len(source.class_names) == 2
    if recalibrated:
        fitted = "Temperature, threshold" if has_threshold else "Temperature"
        last = "thresholds" if source.multilabel else "prediction sets"
        fitted = "Temperature" if source.multilabel else fitted
        notes.append(
            f"{fitted} and {last} were fitted to {recalibrated} images of "
            "another place: on those, metrics look too good."
        )
    if is_trained_on(source, folder) and not learned and splits <= validated:
        chosen = _chosen_on_validation(epoch_chosen, bool(recalibrated), has_threshold)
        if chosen:
            notes.append(f"{chosen} chosen on these images: metrics look too good.")
    return notes


def _chosen_on_validation(epoch: bool, recalibrated: bool, has_threshold: bool) -> str:
    """What the validation images decided, with its verb; empty: nothing."""
    if recalibrated:
        return "The epoch was" if epoch else ""
    last = "threshold" if has_threshold else "prediction sets"
    return f"{'The epoch, temperature' if epoch else 'Temperature'} and {last} were"
