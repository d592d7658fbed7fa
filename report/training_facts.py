"""What was trained on what, by the checkpoint and by the folder of the images."""

import dataclasses
import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from data import processed
from data.audit import audit, table
from data.processed import Processed
from metrics.decision import NO_FINDING
from report import charts
from report.charts import Charts
from report.claim_checklist import versions_in_words
from report.own_folder import is_trained_on
from vit.checkpoint import Checkpoint

MOST_AUDITED = 2_000  # images: a minute
UNKNOWN = "not known"
# the folders of an absolute path, of POSIX or Windows, up to its last name
ABSOLUTE = re.compile(r"(?<![\w.)\]])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:;,][^/\\:;,\n]*[/\\])+")


@dataclass(frozen=True)
class Training:
    """What the page says of the training.

    Args:
        learned: which images the model learned from, in words.
        begun: which weights it began with, in words.
        facts: what else is known, by name.
        config: every key of the configuration.
        columns: the classes; of findings also the images that have none.
        splits: for each split its images of each of them, and its groups.
        curves: SVG pictures of loss and metrics.
    """

    learned: str
    begun: str
    facts: list[tuple[str, str]]
    config: list[tuple[str, object]]
    columns: list[str]
    splits: list[tuple[str, list[int]]]
    curves: Charts


def training_of(checkpoint: Checkpoint, folder: Processed | None, path: Path) -> Training:
    """What is known of a training.

    Args:
        checkpoint: the model.
        folder: that the images lie in; None: none is known.
        path: the ViT.ckpt.
    """
    provenance = checkpoint.provenance
    config = dataclasses.asdict(checkpoint.config)
    # where it lies on this machine is nobody's business
    for key in ("data_folder", "init"):
        config[key] = Path(config[key]).name
    count = len(provenance.training_images_sha256)
    run = provenance.init.get("run")
    learned = f"{count} images" if count else f"phantoms ({checkpoint.config.phantoms})"
    file = provenance.init.get("file")
    begun = f"the weights of run {run}" if run else "random weights"
    if file:
        begun = f"{file}, {begun}"
    probe = provenance.init.get("probe", {})
    compared = ", ".join(f"{name} {value:.3f}" for name, value in probe.items())
    again = provenance.recalibrated_images
    histories = [rows for rows in provenance.history if rows]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    notes = folder.info.get("notes", []) if folder else []
    columns = [*checkpoint.class_names, *([NO_FINDING] if checkpoint.multilabel else [])]
    facts = [
        ("checkpoint", f"{path.name}, sha256 {digest}"),
        ("run", provenance.run or UNKNOWN),
        ("learned from", learned),
        ("began with", begun),
        ("AUROC of frozen tokens, by which that was chosen", compared or "not compared"),
        ("sha256 of the split", provenance.split_sha256 or UNKNOWN),
        ("data folder is as in training", _likeness(checkpoint, folder)),
        ("recalibrated", f"on {again} images of another place" if again else "no"),
        (_kind(checkpoint), ", ".join(checkpoint.class_names)),
        ("temperature", f"{checkpoint.temperature:.3f}"),
        ("threshold", _threshold(checkpoint)),
        ("versions", versions_in_words(provenance) or UNKNOWN),
        *(("preparation of the data", without_folders(note)) for note in notes),
    ]
    return Training(
        learned,
        begun,
        facts,
        list(config.items()),
        columns,
        _splits(folder, columns) if folder else [],
        charts.of_training(histories) if histories else {},
    )


def _kind(checkpoint: Checkpoint) -> str:
    if checkpoint.multilabel:
        return "findings, of which an image may have several"
    return "grades, rising" if checkpoint.ordered else "classes"


def _threshold(checkpoint: Checkpoint) -> str:
    if checkpoint.multilabel:
        return ", ".join(f"{name} {value:.4f}" for name, value in checkpoint.thresholds.items())
    if len(checkpoint.class_names) > 2 and not checkpoint.ordered:
        return "none: the most probable class is called"
    return f"{checkpoint.threshold:.4f}"


def _likeness(checkpoint: Checkpoint, folder: Processed | None) -> str:
    if folder is None:
        return UNKNOWN
    if is_trained_on(checkpoint, folder):
        return "yes"
    return "no: other images, labels, splits or preparation"


def _splits(folder: Processed, columns: list[str]) -> list[tuple[str, list[int]]]:
    splits = []
    for split in processed.SPLITS:
        samples = folder.of(split)
        if samples:
            held = folder.by_class(samples)
            counts = [len(held.get(name, [])) for name in columns]
            groups = {sample.group for sample in samples}
            splits.append((split, [*counts, len(groups)]))
    return splits


def audit_of(folder: Processed | None) -> tuple[str, str]:
    """The audit of a folder as text, or "" and why there is none."""
    if folder is None:
        return "", (
            "The images lie in no ProcessedFolder. Of raw images, "
            "python -m data.audit --Path FOLDER makes one."
        )
    if folder.multilabel:
        return "", "Not made for findings, of which an image may have several."
    name = folder.folder.name
    command = f"python -m data.audit --Path {name}"
    if len(folder.samples) > MOST_AUDITED:
        return "", f"Not made for more than {MOST_AUDITED:,} images: {command}"
    found = replace(audit(folder.folder), path=name)
    text = without_folders(table(found), folder.folder)
    return f"{text}\nevery find: {command}", ""


def without_folders(text: str, root: Path | None = None) -> str:
    """A text for the page, where names of files stand without the folders of this machine.

    Args:
        text: as a terminal may show it.
        root: files below it keep their path below it; of all others the name alone is left.
    """
    if root is not None:
        for given in {str(root), str(root.absolute()), str(root.resolve())} - {"."}:
            text = text.replace(given.rstrip("/\\") + os.sep, "")
    return ABSOLUTE.sub("", text)
