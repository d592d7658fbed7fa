"""Whether a ProcessedFolder can be trained on, as far as its manifest tells."""

import CONFIG
import errors
from data import processed
from data.grades import check_count
from data.group_dataset import owners
from data.label_groups import patients_in
from data.readers import DataError
from metrics.decision import MULTILABEL
from metrics.groups import shared


def check_images(config: CONFIG.Config, folder: processed.Processed, folds: int = 0) -> None:
    """The cheap part of data.audit: what needs only the manifest.

    Args:
        folds: how many will be trained one after the other; 0: the images keep their sides.

    Raises:
        DataError: as many classes as ``num_classes`` are not there; they are no grades in order,
            where task is ordinal; they are findings and task is another, or the other way round;
            related images on two sides.
    """
    names = folder.class_names
    if config.task == "ordinal":
        _check_grades(config, folder)
    _check_findings(config, folder)
    if len(names) != config.num_classes:
        raise DataError(
            f"{config.data_folder}: got {len(names)} classes ({', '.join(names)}), but "
            f"num_classes is {config.num_classes}; set it to {len(names)}"
        )
    if config.label_of == "group":
        _check_groups(folder)
    if config.allow_leaks:
        return
    if folds:
        _check_folds(folder)
    else:
        _check_leaks(config, folder)


def _check_groups(folder: processed.Processed) -> None:
    """Refuse groups whose images have several labels, and say where groups hold one image each.

    Raises:
        DataError: how many such groups there are, and one of them.
    """
    labels: dict[str, set[str]] = {}
    for name, sample in zip(owners(folder.samples), folder.samples, strict=True):
        labels.setdefault(name, set()).add(sample.label)
    mixed = [name for name, given in labels.items() if len(given) > 1]
    if mixed:
        raise DataError(
            f"{folder.folder}: images of {len(mixed)} of {len(labels)} groups disagree in their "
            f"label, such as those of {mixed[0]}: {', '.join(sorted(labels[mixed[0]]))}; wanted "
            "one label for all images of a group, or label_of: image"
        )
    if not any(patients_in([sample.more for sample in folder.samples])):
        errors.note(
            f"{folder.folder}: no column of manifest.csv names the patients, so the groups of "
            "data.prepare count as patients; two patients with a picture that looks the same are "
            "one of them"
        )
    if len(labels) == len(folder.samples):
        errors.note(
            f"{folder.folder}: each group has one image, so label_of: group changes nothing; "
            "data.prepare ties the images of a patient by a column patient of manifest.csv"
        )


def _check_grades(config: CONFIG.Config, folder: processed.Processed) -> None:
    """Refuse classes that are no grades, or of which nobody has said that they are in order."""
    check_count(folder.class_names)
    if config.sensitivity:
        raise DataError(
            f"sensitivity: got {config.sensitivity:g}, which is of two classes; of grades the "
            "threshold has the smallest error: set sensitivity: 0"
        )
    if not folder.ordered:
        raise DataError(
            f"{config.data_folder}: the classes {', '.join(folder.class_names)} were not prepared "
            "as grades; prepare the folder again with --task ordinal, or with --order"
        )


def _check_findings(config: CONFIG.Config, folder: processed.Processed) -> None:
    """Refuse a folder of findings for another task, and one of classes for findings."""
    names = ", ".join(folder.class_names)
    if folder.multilabel and config.task != MULTILABEL:
        raise DataError(
            f"{config.data_folder}: an image there may have several of {names}, but task is "
            f"{config.task}; set task: multilabel and num_classes: {len(folder.class_names)}"
        )
    if config.task == MULTILABEL and not folder.multilabel:
        raise DataError(
            f"{config.data_folder}: the classes {names} were not prepared as findings; prepare the "
            "folder again with --findings, or set task: classes"
        )


def _check_leaks(config: CONFIG.Config, folder: processed.Processed) -> None:
    samples = folder.of("train") + folder.of("val")
    tied = shared([(sample.group, sample.sha256) for sample in samples])
    leaks = [images for images in tied if len({samples[i].split for i in images}) > 1]
    if leaks:
        files = ", ".join(samples[i].path for i in leaks[0][:4])
        raise DataError(
            f"{config.data_folder}: {len(leaks)} groups of images that belong together "
            f"are in train and in val, as {files}; validation would look too good. "
            "Prepare with --drop_leaks or --resplit, or set allow_leaks: true"
        )


def _check_folds(folder: processed.Processed) -> None:
    """Refuse folds that would be validated with images that belong with those of training.

    Raises:
        DataError: how many groups lie in two folds, and one of them.
    """
    samples = [sample for sample in folder.samples if sample.fold]
    tied = shared([(sample.group, sample.sha256) for sample in samples])
    torn = [images for images in tied if len({samples[i].fold for i in images}) > 1]
    if torn:
        first = samples[torn[0][0]]
        other = next(samples[i] for i in torn[0] if samples[i].fold != first.fold)
        raise DataError(
            f"{folder.folder}: {len(torn)} groups of images that belong together lie in two folds, "
            f"as {first.path} (fold {first.fold}), {other.path} (fold {other.fold}); validation "
            "would look too good. Give all images of a group one fold in manifest.csv, or prepare "
            "again, or set allow_leaks: true"
        )
