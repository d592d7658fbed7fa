"""Every fault of a raw data set together, before anything is trained.

python -m data.audit --Path FOLDER_OR_MANIFEST writes audit.json, with every file, and audit.png,
the worst finds. Exit status: 0 no fault, 2 faults, 1 no audit.
"""

import argparse
import json
import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from numpy.typing import NDArray

import CONFIG
import errors
from data import contact_sheet, processed, sources
from data.aspect import note_of_aspects
from data.copies import same_pictures
from data.dataset_info import read_info
from data.faults import ORDER, Balance, odd, repeated, uneven
from data.findings import KINDS, NOTICES, Finding
from data.group_columns import patient_in
from data.looks import Look, look_at
from data.readers import DataError, read_stored
from data.remarks import notes_of_remarks
from data.samples import Sample
from data.scale import check_one_scale, grey_of, note_of_windows, white_of
from data.shortcuts import FOLDS, LIMIT, Probe, find_shortcuts
from files import written_whole
from metrics.groups import join

KEYS = ("image_size", "border")
EXAMPLES = 3  # on the terminal, for each kind of finding
INDENT = " " * 23


@dataclass(frozen=True)
class Audit:
    """What was found in a data set.

    Args:
        path: the folder or manifest, as it is called in audit.json.
        images: how many there are, by split and class; "all" where there is no split.
        findings: the worst kinds first.
        probes: what else tells the classes apart.
        notes: further lines to read.
    """

    path: str
    images: Balance
    findings: list[Finding]
    probes: list[Probe]
    notes: list[str]

    @property
    def has_faults(self) -> bool:
        """Whether anything has to be mended."""
        return any(finding.is_fault for finding in self.findings)

    def as_json(self) -> dict[str, object]:
        """The form of audit.json."""
        return {
            "format": 1,
            "path": self.path,
            "images": self.images,
            "findings": [finding.as_json() for finding in self.findings],
            "probes": {probe.view: _without_nan(probe.as_json()) for probe in self.probes},
            "notes": self.notes,
        }


def _without_nan(values: dict[str, object]) -> dict[str, object]:
    """The same with None for what is no number, which JSON does not have."""
    return {name: None if value != value else value for name, value in values.items()}


def audit(
    root: Path,
    group: str | None = None,
    positive: str | None = None,
    picture: Path | None = None,
    config: CONFIG.Config | None = None,
) -> Audit:
    """Audit the images below ``root``.

    Args:
        root: a folder, or a manifest file, as ``data.sources.find`` takes it.
        group: manifest column, or regular expression over paths, that ties images.
        positive: name of the positive class.
        picture: a PNG of the worst finds to write; None: none.
        config: its image_size, border, stretch, window and frame are those that data.prepare will
            store the images with, so that pictures are compared as they are stored; None: the
            defaults.

    Raises:
        DataError: no image can be read, or as ``data.sources.find``.
    """
    config = (config or CONFIG.Config()).sized()
    notes: list[str] = []
    folder, found, plain = sources.find(root, group, notes)
    if _is_multilabel(folder):
        raise DataError(
            f"{root}: an image there may have several findings, which the audit does not know; "
            "python -m data.prepare says what is wrong with the raw images"
        )
    names = processed.order_classes({sample.label for sample in found}, positive)
    if not plain:  # as in data.prepare
        config = replace(config, border=0.0)
    work = partial(look_at, folder=folder, config=config)
    results = sources.each(work, found, "reading")
    looks = [look for look, _ in results if look]
    white = white_of([look.scale for look in looks if look.scale])
    looks = _in_one_scale(partial(work, white=white), looks, white, notes)
    notes += note_of_windows({look.sample.path: look.window for look in looks})
    notes += note_of_aspects({look.sample.path: look.aspect for look in looks}, config.stretch)
    notes += notes_of_remarks({look.sample.path: look.remarks for look in looks})
    findings = [finding for _, findings in results for finding in findings]
    if not looks:
        raise DataError(
            f"{root}: none of {len(found)} images can be read; the first: {findings[0].detail}"
        )
    named = _patients(folder, [look.sample.group for look in looks])
    pairs = same_pictures([look.sketch for look in looks], named)
    groups = join([(look.sample.group, look.sha256) for look in looks], pairs)
    balance = _balance(found, names)
    probes, shortcuts = find_shortcuts(looks, groups, names, notes)
    findings += [*uneven(balance), *odd(looks, folder)]
    findings += [*repeated(looks, pairs), *shortcuts]
    findings.sort(key=lambda finding: list(KINDS).index(finding.kind))
    notes += _leak_notes(found, findings)
    if picture is not None:
        read = partial(_read, folder=folder, config=config, white=white)
        contact_sheet.of_findings(findings, looks, names, read, picture)
    return Audit(str(root), balance, findings, probes, notes)


def _is_multilabel(folder: Path) -> bool:
    told = folder / "dataset.json"
    return told.is_file() and bool(read_info(told).get("multilabel"))


def _patients(folder: Path, groups: list[str]) -> list[str]:
    """The patient of each image, empty where no name tells it.

    A ProcessedFolder has numbers for groups; dataset.json says whether they stand for patients.
    """
    told = folder / "dataset.json"
    if told.is_file() and read_info(told).get("patients_named"):
        return groups
    return [patient_in(group) for group in groups]


def _in_one_scale(
    work: Callable[[Sample], tuple[Look | None, list[Finding]]],
    looks: list[Look],
    white: int | None,
    notes: list[str],
) -> list[Look]:
    """The looks with one value of white, as data.prepare stores the images."""
    try:
        check_one_scale({look.sample.path: look.ends for look in looks})
    except DataError as error:
        notes.append(f"data.prepare refuses this set: {error}")
    others = [look.sample for look in looks if look.scale and look.scale.white != white]
    again = sources.each(work, others, "one scale")
    mended = {look.sample.path: look for look, _ in again if look}
    return [mended.get(look.sample.path, look) for look in looks]


def _read(name: str, folder: Path, config: CONFIG.Config, white: int | None) -> NDArray:
    return grey_of(read_stored(folder / name, config.window, config.frame), white)


def _balance(samples: list[Sample], names: list[str]) -> Balance:
    counts = Counter((sample.split, sample.label) for sample in samples)
    present = sorted({sample.split for sample in samples}, key=ORDER.index)
    return {split or "all": {name: counts[split, name] for name in names} for split in present}


def _leak_notes(samples: list[Sample], findings: list[Finding]) -> list[str]:
    leaks = {finding.files[-1] for finding in findings if finding.kind == "leak"}
    late = Counter(sample.split for sample in samples if sample.path in leaks)
    return [
        f"{count} {split} images are in an earlier split too"
        for split, count in sorted(late.items())
    ]


def table(report: Audit) -> str:
    """What a person reads: counts, every kind of finding with examples, the probes."""
    total = sum(sum(counts.values()) for counts in report.images.values())
    lines = [f"{report.path}: {total} images"]
    for split, counts in report.images.items():
        lines.append(f"  {split}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    lines += ["", f"{'':<8}{'finds':>6}{'files':>7}  what it is: what to do"]
    clean = []
    for kind, meaning in KINDS.items():
        findings = [finding for finding in report.findings if finding.kind == kind]
        if findings:
            lines += _finding_lines(kind, findings)
        else:
            clean.append(meaning.split(":")[0])
    lines += [textwrap.fill(f"not found: {'; '.join(clean)}", 118), ""]
    lines += _probe_lines(report.probes)
    lines += [f"note: {note}" for note in report.notes]
    return "\n".join(lines)


def _finding_lines(kind: str, findings: list[Finding]) -> list[str]:
    """How often a kind was found, with the first few."""
    files = {file for finding in findings for file in finding.files}
    rank = "notice" if kind in NOTICES else "FAULT"
    lines = [f"{rank:<8}{len(findings):>6}{len(files):>7}  {KINDS[kind]}"]
    for finding in findings[:EXAMPLES]:
        lines.append(INDENT + (finding.detail or " = ".join(finding.files)))
    if len(findings) > EXAMPLES:
        lines.append(f"{INDENT}and {len(findings) - EXAMPLES} more")
    return lines


def _probe_lines(probes: list[Probe]) -> list[str]:
    if not probes:
        return []
    lines = [
        "How well each alone tells the classes apart: AUROC, "
        f"{FOLDS} folds that keep groups whole. SHORTCUT:",
        f"the 95 % interval lies above {LIMIT}. Baseline: a support vector machine on all the "
        "picture. Mind:",
        "small crops hold vessels at the edge too, and file size follows detail and noise as well.",
    ]
    for probe in probes:
        mark = "SHORTCUT" if probe.is_shortcut else ""
        lines.append(f"{mark:<10}{probe.view:<17}{probe.auroc}  {probe.class_name}")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data.audit", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--Path",
        "--path",
        type=Path,
        required=True,
        help="folder as for data.prepare, or a manifest",
    )
    parser.add_argument(
        "--OUTPUT", "--output", type=Path, default=Path("audit"), help="folder (default: audit)"
    )
    parser.add_argument(
        "--Config",
        "--config",
        "-c",
        type=Path,
        help="configuration (default: config.yml, if there is one)",
    )
    parser.add_argument(
        "--group", help="manifest column, or regular expression over paths, that ties images"
    )
    parser.add_argument("--positive", help="name of the positive class")
    CONFIG.add_arguments(parser, KEYS)
    return parser


def main(argv: list[str]) -> int:
    """Audit a data set and write audit.json and audit.png; gives the exit status."""
    options = _parser().parse_args(argv)
    with errors.ending_in_one_line("free memory, or audit fewer or smaller images"):
        config = CONFIG.load_usual(options.Config, CONFIG.overrides(options))
        picture = options.OUTPUT / "audit.png"
        report = audit(options.Path, options.group, options.positive, picture, config)
        with written_whole(options.OUTPUT / "audit.json", keep_former=True) as beside:
            text = json.dumps(report.as_json(), indent=2, allow_nan=False)
            beside.write_text(text + "\n", encoding="utf-8")
    errors.say(table(report))
    errors.say(f"wrote {options.OUTPUT / 'audit.json'} (every file); see {picture}")
    return 2 if report.has_faults else 0


if __name__ == "__main__":
    errors.run(main)
