"""Every fault of a raw data set together, before anything is trained: python -m data.audit --Path FOLDER_OR_MANIFEST
Writes audit.json, with every file, and audit.png, the worst finds. Exit status: 0 no fault, 2 faults, 1 no audit.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from CONFIG import Config
from data import duplicates, processed, sources
from data.findings import FOLDS, MARGIN, Finding, Look, draw, probe
from data.geometry import Placement, read_mask
from data.readers import SUFFIXES, DataError, full_scale, kind_of, read_grey, wrong_suffix
from files import written_whole

SIZE, BORDER = Config().image_size, Config().border  # pictures are compared as data.prepare stores them
FRAME, CORNER, THUMB = 0.06, 0.15, 32  # shares of the shorter edge that probes see; pixels of a thumbnail
TINT, UNEVEN = 0.05, 4  # of the range, between colour channels; times as many images of one class as of another
FEW, TOLD = 300, 3  # images for which starting processes takes longer than the work, examples on the terminal
KINDS = {  # worst first: what it is, what to do
    "labels_contradict": "byte-identical files under two labels: keep the one with the right label",
    "leak": "the same picture, or nearly, in two splits: split again, data.prepare keeps such pictures together",
    "group_across_splits": "one group (patient, vessel) in two splits: split again by group",
    "similar_contradict": "nearly the same picture under two labels: look at each pair, one label may be wrong",
    "shortcut": "classes differ in what should tell nothing: see in audit.png what it is; crop or even it out",
    "unreadable": "unreadable, damaged, constant or out of range: replace or remove",
    "colour": "colour where grey is expected: export as grey; overlays may be burned in",
    "odd_size": "not of the size that most have: find out where they come from",
    "odd_depth": "not of the format and bit depth that most have: export all alike",
    "wrong_suffix": "content and name disagree: rename; what is not named as an image is not read at all",
    "class_missing": "a split lacks a class: split again",
    "identical": "byte-identical files, same label: remove all but one",
    "uneven": "one class is far rarer: collect more, or judge by AUROC and not by accuracy",
    "near_duplicate": "nearly the same picture in one split: nothing to do, data.prepare ties them into one group",
}
NOTICES = ("uneven", "near_duplicate")  # worth knowing, no fault


def audit(root: Path, group: str | None = None, positive: str | None = None, picture: Path | None = None) -> dict:
    """What audit.json holds; the worst finds are drawn to ``picture``. Raises DataError if no image can be read."""
    from data import splits  # scikit-learn, which reading does without

    notes: list[str] = []
    found = sources.find(root, group, notes)
    names = processed.order_classes({source.label for source in found}, positive)
    manifest = root.suffix == ".csv" or (root / "manifest.csv").is_file()
    work = partial(_look, border=0.0 if found[0].split or manifest else BORDER)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        looked = map(work, found) if len(found) < FEW else pool.map(work, found, chunksize=16)
        results = list(tqdm(looked, desc="reading", total=len(found), unit=" images", mininterval=1))
    good = [(source, look) for source, (look, _) in zip(found, results, strict=True) if look]
    findings = [finding for _, faults in results for finding in faults]
    if not good:
        raise DataError(f"{root}: none of {len(found)} images can be read; the first: {findings[0].how}")
    own, looks = [source for source, _ in good], [look for _, look in good]
    pairs = duplicates.near_duplicates(np.stack([look.descriptor for look in looks]))
    groups = np.array(splits.join([(source.group, look.sha256) for source, look in good], pairs))
    counts = Counter((source.split, source.label) for source in found)
    present = [split for split in (*processed.SPLITS, "") if split in {source.split for source in found}]
    balance = {split or "all": {name: counts[split, name] for name in names} for split in present}
    probes, shortcuts = probe(own, looks, groups, names, notes)
    findings += [*_odd(root, own, looks, balance), *_repeated(own, looks, pairs), *shortcuts]
    findings.sort(key=lambda finding: list(KINDS).index(finding.kind))
    sides = {source.name: source.split for source in own}
    late = Counter(sides[name] for name in {f.files[-1] for f in findings if f.kind == "leak"})
    notes += [f"{count} {split} images are in an earlier split too" for split, count in sorted(late.items())]
    if picture is not None:
        thumbs = {name: [k.views["baseline"] for s, k in good if s.label == name] for name in names}
        draw(
            KINDS, findings, {s.name: s for s in own}, {k: np.mean(v, axis=0) for k, v in thumbs.items() if v}, picture
        )
    told = [{"fault": f.kind not in NOTICES, "what": KINDS[f.kind], **f._asdict()} for f in findings]
    return {"format": 1, "path": str(root), "images": balance, "findings": told, "probes": probes, "notes": notes}


def _look(source: sources.Source, border: float) -> tuple[Look | None, list[Finding]]:
    path = source.path
    try:
        image, kind, content = read_grey(path), kind_of(path), path.read_bytes()
        if source.mask is not None:
            read_mask(source.mask, image.shape)
    except (ValueError, OSError) as error:
        return None, [Finding("unreadable", [source.name], str(error))]
    stored = np.load(path, allow_pickle=False) if kind == "NPY" else image
    if kind not in ("NPY", "DICOM"):
        stored = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))
    channels = stored.shape[2] if stored.ndim == 3 else 1
    depth = f"{kind} {8 * stored.dtype.itemsize} bit" + f" x {channels}" * (channels > 1)
    if stored.dtype == np.uint16 and kind != "DICOM":  # reading divides by what is used, which has to be one for all
        depth += f" of which {full_scale(stored.max()).bit_length()} are used"
    findings = [Finding("wrong_suffix", [source.name], wrong)] if (wrong := wrong_suffix(path)) else []
    if channels > 2 and (np.ptp(stored[..., :3], axis=2) > TINT * stored.max()).mean() > TINT / 100:
        findings.append(Finding("colour", [source.name], f"{path}: got colour, wanted grey"))
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
        "baseline": cv2.resize(whole, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float16),
    }
    digest, size = hashlib.sha256(content).hexdigest(), f"{height} x {width} px"
    return Look(size, depth, digest, duplicates.describe(square), views), findings


def _cells(part: NDArray, rows: int, columns: int) -> NDArray:
    """(2 * rows * columns,) mean and greatest value of each cell: thin text hardly moves a mean."""
    y, x = np.arange(rows) * part.shape[0] // rows, np.arange(columns) * part.shape[1] // columns
    mean = cv2.resize(np.ascontiguousarray(part), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.concatenate([mean.ravel(), np.maximum.reduceat(np.maximum.reduceat(part, y, 0), x, 1).ravel()])


def _odd(root: Path, own: list[sources.Source], looks: list[Look], balance: dict) -> Iterator[Finding]:
    folder = root if root.is_dir() else root.parent
    for path in sorted(folder.rglob("[!.]*")):
        if path.suffix.lower() not in SUFFIXES and path.is_file() and path.stat().st_size and wrong_suffix(path):
            yield Finding("wrong_suffix", [path.relative_to(folder).as_posix()], wrong_suffix(path))
    for split, counts in balance.items():
        least, most = min(counts, key=counts.get), max(counts, key=counts.get)
        if counts[least] * UNEVEN <= counts[most]:
            how = f"{split}: {counts[least]} images of {least}, {counts[most]} of {most}"
            yield Finding("uneven" if counts[least] else "class_missing", [], how)
    for kind, values in (("odd_size", [k.size for k in looks]), ("odd_depth", [k.depth for k in looks])):
        usual, count = Counter(values).most_common(1)[0]
        for source, value in zip(own, values, strict=True):
            if value != usual and 2 * count > len(values):
                yield Finding(kind, [source.name], f"{source.path}: got {value}, most are {usual}")


def _repeated(own: list[sources.Source], looks: list[Look], pairs: NDArray) -> Iterator[Finding]:
    """Groups in two splits, identical files, and pairs of images that are identical or nearly so."""
    side = [("train", "val", "test", "").index(source.split) for source in own].__getitem__
    links = {(int(i), int(j)) for i, j in pairs}
    for tied in processed.shared([(source.group,) for source in own]):
        if len(set(map(side, tied))) > 1:
            files = [own[i].name for i in sorted(tied, key=side)]
            yield Finding("group_across_splits", files, f"group {own[tied[0]].group}: {len(tied)} images")
    for tied in processed.shared([(look.sha256,) for look in looks]):
        tied.sort(key=side)
        links |= {(min(tied[0], i), max(tied[0], i)) for i in tied[1:]}
        alike = len({own[i].label for i in tied}) == 1
        yield Finding("identical" if alike else "labels_contradict", [own[i].name for i in tied])
    for pair in sorted(links):
        i, j = sorted(pair, key=side)
        copied, files = looks[i].sha256 == looks[j].sha256, [own[i].name, own[j].name]
        if side(i) != side(j):
            yield Finding("leak", files)
        if not copied and own[i].label != own[j].label:
            yield Finding("similar_contradict", files)
        elif not copied and side(i) == side(j):
            yield Finding("near_duplicate", files)


def table(report: dict[str, Any]) -> str:
    """What a person reads: counts, every kind of finding with examples, the probes."""
    lines = [f"{report['path']}: {sum(sum(counts.values()) for counts in report['images'].values())} images"]
    lines += [f"  {k}: " + ", ".join(f"{n} {name}" for name, n in v.items()) for k, v in report["images"].items()]
    lines += ["", f"{'':<8}{'finds':>6}{'files':>7}  what it is: what to do"]
    for kind, what in KINDS.items():
        own = [finding for finding in report["findings"] if finding["kind"] == kind]
        files = {file for finding in own for file in finding["files"]}
        lines += [f"{'notice' if kind in NOTICES else 'FAULT':<8}{len(own):>6}{len(files):>7}  {what}"] * bool(own)
        lines += [" " * 23 + (finding["how"] or " = ".join(finding["files"])) for finding in own[:TOLD]]
        lines += [" " * 23 + f"and {len(own) - TOLD} more, in audit.json"] * (len(own) > TOLD)
    clean = [what.split(":")[0] for kind, what in KINDS.items() if kind not in {f["kind"] for f in report["findings"]}]
    lines += [textwrap.fill(f"not found: {'; '.join(clean)}", 118), ""]
    if report["probes"]:
        lines.append(
            f"How well each alone tells the classes apart: AUROC, {FOLDS} folds that keep groups whole. SHORTCUT:"
        )
        lines.append(
            f"the 95 % interval lies above {0.5 + MARGIN}. Baseline: a support vector machine on all the picture. Mind:"
        )
        lines.append("small crops hold vessels at the edge too, and file size follows detail and noise as well.")
    for view, told in report["probes"].items():
        figure = f"{told['auroc']:.3f} ({told['low']:.3f} to {told['high']:.3f})  {told['class']}"
        lines.append(f"{'SHORTCUT' if told['shortcut'] else '':<10}{view:<17}{figure}")
    return "\n".join(lines + [f"note: {note}" for note in report["notes"]])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m data.audit", description=__doc__, allow_abbrev=False)
    parser.add_argument("--Path", "--path", type=Path, required=True, help="folder as for data.prepare, or a manifest")
    parser.add_argument("--OUTPUT", "--output", type=Path, default=Path("audit"), help="folder (default: audit)")
    parser.add_argument("--group", help="manifest column, or regular expression over paths, that ties images")
    parser.add_argument("--positive", help="name of the positive class")
    options = parser.parse_args(argv)
    try:
        report = audit(options.Path, options.group, options.positive, options.OUTPUT / "audit.png")
        with written_whole(options.OUTPUT / "audit.json") as beside:
            beside.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print(f"{table(report)}\nwrote {options.OUTPUT / 'audit.json'}; look at {options.OUTPUT / 'audit.png'}")
    return 2 if any(finding["fault"] for finding in report["findings"]) else 0


if __name__ == "__main__":
    sys.exit(main())
