"""Every fault of a raw data set together, before anything is trained: python -m data.audit --Path
FOLDER_OR_MANIFEST Writes audit.json, with every file, and audit.png, the worst finds. Exit status:
0 no fault, 2 faults, 1 no audit.
"""

import argparse
import hashlib
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from CONFIG import Config
from data import duplicates, processed, sources
from data.findings import FOLDS, KINDS, LIMIT, NOTICES, Finding, Look, draw, probe
from data.geometry import Placement, read_mask
from data.processed import Sample
from data.readers import SUFFIXES, DataError, full_scale, kind_of, read_grey, wrong_suffix
from files import end_ctrl_c_in_one_line, written_whole
from metrics.groups import join, shared

# pictures are compared as data.prepare stores them
SIZE = Config().image_size
BORDER = Config().border
# shares of the shorter edge that probes see; pixels of a thumbnail
FRAME = 0.06
CORNER = 0.15
THUMB = 32
ORDER = (*processed.SPLITS, "")
# of the range, between colour channels; times as many images of one class as of another
TINT = 0.05
UNEVEN = 4
TOLD = 3  # examples on the terminal


def audit(
    root: Path, group: str | None = None, positive: str | None = None, picture: Path | None = None
) -> dict:
    """What audit.json holds; the worst finds are drawn to ``picture``. Raises DataError if no image
    can be read.
    """
    notes: list[str] = []
    folder, found, plain = sources.find(root, group, notes)
    names = processed.order_classes({sample.label for sample in found}, positive)
    work = partial(_look, folder=folder, border=BORDER if plain else 0.0)
    results = sources.each(work, found, "reading")
    looks = [look for look, _ in results if look]
    findings = [finding for _, faults in results for finding in faults]
    if not looks:
        raise DataError(
            f"{root}: none of {len(found)} images can be read; the first: {findings[0].how}"
        )
    pairs = duplicates.near_duplicates(np.stack([look.descriptor for look in looks]))
    groups = join([(look.sample.group, look.sha256) for look in looks], pairs)
    counts = Counter((sample.split, sample.label) for sample in found)
    present = sorted({sample.split for sample in found}, key=ORDER.index)
    balance = {split or "all": {name: counts[split, name] for name in names} for split in present}
    probes, shortcuts = probe(looks, groups, names, notes)
    findings += [*_odd(folder, looks, balance), *_repeated(looks, pairs), *shortcuts]
    findings.sort(key=lambda finding: list(KINDS).index(finding.kind))
    leaks = {finding.files[-1] for finding in findings if finding.kind == "leak"}
    late = Counter(sample.split for sample in found if sample.path in leaks)
    notes += [
        f"{count} {split} images are in an earlier split too"
        for split, count in sorted(late.items())
    ]
    if picture is not None:
        draw(findings, looks, names, folder, picture)
    told = [
        {"fault": f.kind not in NOTICES, "what": KINDS[f.kind], **f._asdict()} for f in findings
    ]
    return {
        "format": 1,
        "path": str(root),
        "images": balance,
        "findings": told,
        "probes": probes,
        "notes": notes,
    }


def _look(sample: Sample, folder: Path, border: float) -> tuple[Look | None, list[Finding]]:
    path = folder / sample.path
    try:
        image = read_grey(path)
        kind = kind_of(path)
        content = path.read_bytes()
        if sample.mask:
            read_mask(folder / sample.mask, image.shape)
    except (ValueError, OSError) as error:
        return None, [Finding("unreadable", [sample.path], str(error))]
    stored = np.load(path, allow_pickle=False) if kind == "NPY" else image
    if kind not in ("NPY", "DICOM"):
        stored = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))
    channels = stored.shape[2] if stored.ndim == 3 else 1
    depth = f"{kind} {8 * stored.dtype.itemsize} bit" + f" x {channels}" * (channels > 1)
    if (
        stored.dtype == np.uint16 and kind != "DICOM"
    ):  # reading divides by what is used, which has to be one for all
        depth += f" of which {full_scale(stored.max()).bit_length()} are used"
    findings = (
        [Finding("wrong_suffix", [sample.path], wrong)] if (wrong := wrong_suffix(path)) else []
    )
    if channels > 2 and (np.ptp(stored[..., :3], axis=2) > TINT * stored.max()).mean() > TINT / 100:
        findings.append(Finding("colour", [sample.path], f"{path}: got colour, wanted grey"))
    height, width = image.shape
    square = Placement(height, width, SIZE, border).image(image).astype(np.float32)
    grey = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    whole = Placement(height, width, max(height, width)).image(grey)
    t, c = (max(2, round(share * min(height, width))) for share in (FRAME, CORNER))
    frame = (grey[:t], grey[-t:], grey[:, :t].T, grey[:, -t:].T)
    corners = (grey[:c, :c], grey[:c, -c:], grey[-c:, :c], grey[-c:, -c:])
    views = {
        "border pixels": np.concatenate([_cells(side, 1, 16) for side in frame]),
        "corners": np.concatenate([_cells(corner, 4, 4) for corner in corners]),
        "mean brightness": np.array([grey.mean()]),
        "file size": np.log([len(content)]),
        "image size": np.log([height, width]),
        "baseline": cv2.resize(whole, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(
            np.float16
        ),
    }
    digest = hashlib.sha256(content).hexdigest()
    size = f"{height} x {width} px"
    return Look(sample, size, depth, digest, duplicates.describe(square), views), findings


def _cells(part: NDArray, rows: int, columns: int) -> NDArray:
    """(2 * rows * columns,) mean and greatest value of each cell: thin text hardly moves a mean."""
    y = np.arange(rows) * part.shape[0] // rows
    x = np.arange(columns) * part.shape[1] // columns
    mean = cv2.resize(np.ascontiguousarray(part), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.concatenate(
        [mean.ravel(), np.maximum.reduceat(np.maximum.reduceat(part, y, 0), x, 1).ravel()]
    )


def _odd(folder: Path, looks: list[Look], balance: dict) -> Iterator[Finding]:
    for path in sorted(folder.rglob("[!.]*")):
        if (
            path.suffix.lower() not in SUFFIXES
            and path.is_file()
            and path.stat().st_size
            and wrong_suffix(path)
        ):
            yield Finding("wrong_suffix", [path.relative_to(folder).as_posix()], wrong_suffix(path))
    for split, counts in balance.items():
        least = min(counts, key=counts.get)
        most = max(counts, key=counts.get)
        if counts[least] * UNEVEN <= counts[most]:
            how = f"{split}: {counts[least]} images of {least}, {counts[most]} of {most}"
            yield Finding("uneven" if counts[least] else "class_missing", [], how)
    for kind, values in (
        ("odd_size", [k.size for k in looks]),
        ("odd_depth", [k.depth for k in looks]),
    ):
        usual, count = Counter(values).most_common(1)[0]
        for look, value in zip(looks, values, strict=True):
            if value != usual and 2 * count > len(values):
                name = look.sample.path
                yield Finding(kind, [name], f"{folder / name}: got {value}, most are {usual}")


def _repeated(looks: list[Look], pairs: NDArray) -> Iterator[Finding]:
    """Groups in two splits, identical files, and pairs of images that are identical or nearly so."""
    own = [look.sample for look in looks]
    side = [ORDER.index(sample.split) for sample in own].__getitem__
    links = {(int(i), int(j)) for i, j in pairs}
    for tied in shared([(sample.group,) for sample in own]):
        if len(set(map(side, tied))) > 1:
            files = [own[i].path for i in sorted(tied, key=side)]
            yield Finding(
                "group_across_splits", files, f"group {own[tied[0]].group}: {len(tied)} images"
            )
    for tied in shared([(look.sha256,) for look in looks]):
        tied.sort(key=side)
        links |= {(min(tied[0], i), max(tied[0], i)) for i in tied[1:]}
        alike = len({own[i].label for i in tied}) == 1
        yield Finding("identical" if alike else "labels_contradict", [own[i].path for i in tied])
    for pair in sorted(links):
        i, j = sorted(pair, key=side)
        copied = looks[i].sha256 == looks[j].sha256
        files = [own[i].path, own[j].path]
        if side(i) != side(j):
            yield Finding("leak", files)
        if not copied and own[i].label != own[j].label:
            yield Finding("similar_contradict", files)
        elif not copied and side(i) == side(j):
            yield Finding("near_duplicate", files)


def table(report: dict[str, Any]) -> str:
    """What a person reads: counts, every kind of finding with examples, the probes."""
    lines = [
        f"{report['path']}: {sum(sum(counts.values()) for counts in report['images'].values())} images"
    ]
    lines += [
        f"  {k}: " + ", ".join(f"{n} {name}" for name, n in v.items())
        for k, v in report["images"].items()
    ]
    lines += ["", f"{'':<8}{'finds':>6}{'files':>7}  what it is: what to do"]
    for kind, what in KINDS.items():
        own = [finding for finding in report["findings"] if finding["kind"] == kind]
        files = {file for finding in own for file in finding["files"]}
        lines += [
            f"{'notice' if kind in NOTICES else 'FAULT':<8}{len(own):>6}{len(files):>7}  {what}"
        ] * bool(own)
        lines += [
            " " * 23 + (finding["how"] or " = ".join(finding["files"])) for finding in own[:TOLD]
        ]
        lines += [" " * 23 + f"and {len(own) - TOLD} more"] * (len(own) > TOLD)
    clean = [
        what.split(":")[0]
        for kind, what in KINDS.items()
        if kind not in {f["kind"] for f in report["findings"]}
    ]
    lines += [textwrap.fill(f"not found: {'; '.join(clean)}", 118), ""]
    if report["probes"]:
        lines += [
            f"How well each alone tells the classes apart: AUROC, {FOLDS} folds that keep groups whole. SHORTCUT:",
            f"the 95 % interval lies above {LIMIT}. Baseline: a support vector machine on all the picture. Mind:",
            "small crops hold vessels at the edge too, and file size follows detail and noise as well.",
        ]
    for view, told in report["probes"].items():
        figure = f"{told['auroc']:.3f} ({told['low']:.3f} to {told['high']:.3f})  {told['class']}"
        lines.append(f"{'SHORTCUT' if told['shortcut'] else '':<10}{view:<17}{figure}")
    return "\n".join(lines + [f"note: {note}" for note in report["notes"]])


def main(argv: list[str] | None = None) -> int:
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
        "--group", help="manifest column, or regular expression over paths, that ties images"
    )
    parser.add_argument("--positive", help="name of the positive class")
    options = parser.parse_args(argv)
    try:
        report = audit(options.Path, options.group, options.positive, options.OUTPUT / "audit.png")
        with written_whole(options.OUTPUT / "audit.json") as beside:
            beside.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print(
        f"{table(report)}\nwrote {options.OUTPUT / 'audit.json'} (every file); see {options.OUTPUT / 'audit.png'}"
    )
    return 2 if any(finding["fault"] for finding in report["findings"]) else 0


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    sys.exit(main())
