"""data.audit: every fault of a raw set together, and shortcuts named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from CONFIG import Config
from data import audit
from data.prepare import prepare
from data.readers import DataError
from metrics.groups import shared
from tests.conftest import SHARED
from vit.checkpoint_gate import Plain

Pictures = Callable[..., Path]


def files(report: Plain, kind: str) -> list[list[str]]:
    return [finding["files"] for finding in report["findings"] if finding["kind"] == kind]


def audited(root: Path, **options: Any) -> Any:
    """What audit.json would hold."""
    return audit.audit(root, **options).as_json()


def mark(path: Path, corner: tuple[slice, slice]) -> None:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    image[corner] = 255
    cv2.imwrite(str(path), image)


def split_in_two(raw: Path) -> Path:
    """train/ and val/ folders of the same classes, the second half of each class in val/."""
    for label in ("normal", "abnormal"):
        images = sorted((raw / label).iterdir())
        for i, path in enumerate(images):
            folder = raw / ("train" if 2 * i < len(images) else "val") / label
            folder.mkdir(parents=True, exist_ok=True)
            path.rename(folder / path.name)
        (raw / label).rmdir()
    return raw


def test_a_faultless_set_has_no_finding_and_exit_status_0(
    pictures: Pictures, tmp_path: Path, capsys: Any
) -> None:
    assert audit.main(["--Path", str(pictures()), "--OUTPUT", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert report["findings"] == []
    assert report["images"] == {"all": {"normal": 12, "abnormal": 12}}
    assert cv2.imread(str(tmp_path / "out" / "audit.png")).shape[2] == 3
    shown = capsys.readouterr().out
    assert "not found: byte-identical files under two labels" in shown
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["audit.json", "audit.png"]


def test_every_fault_is_reported_together_with_its_file_and_exit_status_2(
    pictures: Pictures, tmp_path: Path, capsys: Any
) -> None:
    raw = pictures()
    normal = raw / "normal"
    abnormal = raw / "abnormal"
    rng = np.random.default_rng(0)
    (normal / "empty.png").write_bytes(b"")
    (normal / "cut.png").write_bytes((normal / "p00.png").read_bytes()[:300])
    cv2.imwrite(str(normal / "flat.png"), np.full((40, 32), 7, np.uint8))
    np.save(normal / "nan.npy", np.full((40, 32), np.nan, np.float32))
    np.save(normal / "range.npy", rng.uniform(0, 9, (40, 32)).astype(np.float32))
    cv2.imwrite(str(normal / "large.png"), rng.integers(0, 256, (80, 64), dtype=np.uint8))
    cv2.imwrite(str(normal / "deep.png"), rng.integers(0, 2**16, (40, 32), dtype=np.uint16))
    cv2.imwrite(str(normal / "colour.png"), rng.integers(0, 256, (40, 32, 3), dtype=np.uint8))
    (normal / "p01.png").rename(normal / "p01.jpg")
    shutil.copy(normal / "p02.png", raw / "normal" / "unnamed.dat")
    shutil.copy(normal / "p03.png", abnormal / "contrary.png")
    shutil.copy(normal / "p04.png", normal / "again.png")
    assert audit.main(["--path", str(raw), "--output", str(tmp_path / "out")]) == 2
    report = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {names[0] for names in files(report, "unreadable")} == {
        f"normal/{name}" for name in ("empty.png", "cut.png", "flat.png", "nan.npy", "range.npy")
    }
    assert files(report, "odd_size") == [["normal/large.png"]]
    assert sorted(files(report, "odd_depth")) == [["normal/colour.png"], ["normal/deep.png"]]
    assert files(report, "colour") == [["normal/colour.png"]]
    assert sorted(files(report, "wrong_suffix")) == [["normal/p01.jpg"], ["normal/unnamed.dat"]]
    assert [sorted(names) for names in files(report, "labels_contradict")] == [
        ["abnormal/contrary.png", "normal/p03.png"]
    ]
    assert sorted(files(report, "identical")) == [
        ["normal/again.png", "normal/p04.png"],
        ["normal/p02.png", "normal/unnamed.dat"],
    ]
    assert report["findings"][0]["kind"] == "labels_contradict"  # the worst first
    shown = capsys.readouterr().out
    assert "got 80 x 64 px, most are 40 x 32 px" in shown
    assert "holds PNG, its name says JPEG" in shown


def test_an_image_of_one_split_found_in_another_is_a_leak(pictures: Pictures) -> None:
    raw = split_in_two(pictures(count=16, height=64, width=64))
    image = cv2.imread(str(raw / "train" / "normal" / "p00.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(raw / "val" / "normal" / "shifted.png"), np.roll(image, 2, axis=1))
    shutil.copy(raw / "train" / "normal" / "p01.png", raw / "val" / "normal" / "copy.png")
    report = audited(raw)
    assert sorted(files(report, "leak")) == [
        ["train/normal/p00.png", "val/normal/shifted.png"],
        ["train/normal/p01.png", "val/normal/copy.png"],
    ]
    assert report["images"]["val"] == {"normal": 10, "abnormal": 8}
    assert "2 val images are in an earlier split too" in report["notes"]


def test_near_duplicates_in_one_split_are_no_fault_unless_their_labels_differ(
    pictures: Pictures,
) -> None:
    raw = pictures(count=16, height=64, width=64)
    for name, target in (("p00", "normal/moved"), ("p01", "abnormal/moved")):
        image = cv2.imread(str(raw / "normal" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(raw / f"{target}.png"), np.roll(image, 2, axis=0))
    report = audited(raw)
    assert files(report, "near_duplicate") == [["normal/moved.png", "normal/p00.png"]]
    assert files(report, "similar_contradict") == [["abnormal/moved.png", "normal/p01.png"]]
    faults = {finding["kind"] for finding in report["findings"] if finding["fault"]}
    assert faults == {"similar_contradict"}


def test_pictures_are_compared_with_the_border_that_the_configuration_cuts(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two images that differ in a frame of a quarter, which data.prepare would cut off."""
    raw = pictures(count=16, height=64, width=64)
    image = cv2.imread(str(raw / "normal" / "p00.png"), cv2.IMREAD_UNCHANGED)
    framed = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    framed[16:-16, 16:-16] = image[16:-16, 16:-16]
    cv2.imwrite(str(raw / "normal" / "framed.png"), framed)
    pair = ["normal/framed.png", "normal/p00.png"]
    assert pair not in files(audited(raw, config=Config(border=0.0)), "near_duplicate")
    assert pair in files(audited(raw, config=Config(border=0.25)), "near_duplicate")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yml").write_text("border: 0.25\n")
    for words, is_found in (([], True), (["--border", "0"], False)):
        audit.main(["--Path", str(raw), "--OUTPUT", "out", *words])
        report = json.loads((tmp_path / "out" / "audit.json").read_text())
        assert (pair in files(report, "near_duplicate")) == is_found


def test_a_configuration_that_is_not_there_is_one_line(pictures: Pictures, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"none.yml: no such file"):
        audit.main(["--Path", str(pictures()), "--Config", str(tmp_path / "none.yml")])


def test_a_group_in_two_splits_is_reported(pictures: Pictures) -> None:
    report = audited(split_in_two(pictures()), group=r"p(\d)\d\.png")
    assert len(files(report, "group_across_splits")) == 1
    assert any("group 0: 20 images" in finding["how"] for finding in report["findings"])


def test_a_split_without_a_class_and_a_rare_class_are_told(pictures: Pictures) -> None:
    raw = split_in_two(pictures())
    for path in list((raw / "train" / "abnormal").iterdir())[1:]:
        path.unlink()
    shutil.rmtree(raw / "val" / "abnormal")
    cv2.imwrite(str(raw / "x.png"), np.eye(20, dtype=np.uint8))
    (raw / "val" / "other").mkdir()
    shutil.move(raw / "x.png", raw / "val" / "other" / "x.png")
    told = {
        finding["kind"]: finding["how"] for finding in audited(raw, positive="abnormal")["findings"]
    }
    assert told["class_missing"].startswith("val: 0 images of abnormal")


@pytest.mark.parametrize(("place", "where"), [((0, 0), "top left"), ((-6, -6), "bottom right")])
def test_a_bright_corner_mark_in_most_of_one_class_is_named(
    pictures: Pictures, place: tuple[int, int], where: str
) -> None:
    raw = pictures(count=60, height=64, width=64)
    y, x = (slice(start, start + 6 or None) for start in place)
    for path in sorted((raw / "normal").iterdir())[:54]:
        mark(path, (y, x))
    report = audited(raw)
    probe = report["probes"]["corners"]
    assert probe["shortcut"]
    assert probe["auroc"] > 0.85
    assert any(
        where in finding["how"] for finding in report["findings"] if finding["kind"] == "shortcut"
    )
    assert not report["probes"]["image size"]["shortcut"]


def test_sizes_formats_and_brightness_that_differ_by_class_are_named(pictures: Pictures) -> None:
    raw = pictures(count=20)
    for path in sorted((raw / "normal").iterdir()):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.resize(image // 2, (36, 44)))
        path.unlink()
    probes = audited(raw)["probes"]
    named = {name for name, probe in probes.items() if probe["shortcut"]}
    assert {"mean brightness", "file size", "image size", "file format"} <= named
    assert "baseline" not in named


def test_of_three_classes_the_one_that_is_told_is_named(pictures: Pictures) -> None:
    raw = pictures(count=24, height=64, width=64)
    pictures(count=24, height=64, width=64, name="other")
    (raw.parent / "other" / "normal").rename(raw / "doubtful")
    for path in (raw / "doubtful").iterdir():
        mark(path, (slice(-6, None), slice(6)))
    report = audited(raw)
    assert report["notes"] == []
    assert report["probes"]["corners"]["class"] == "doubtful"
    told = [finding["how"] for finding in report["findings"] if finding["kind"] == "shortcut"]
    assert any("doubtful told by corners" in how and "bottom left" in how for how in told)


def test_too_few_groups_leave_the_probe_out_and_say_so(pictures: Pictures) -> None:
    report = audited(pictures(), group="(normal|abnormal)/")
    assert report["probes"] == {}
    assert any("no shortcut probe" in note for note in report["notes"])


def test_spawned_reading_finds_the_same(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = pictures(count=6)
    (raw / "normal" / "empty.png").write_bytes(b"")
    alone = audited(raw)
    monkeypatch.setattr("data.sources.FEW", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert audited(raw) == alone


def test_no_readable_image_and_no_folder_are_one_line_and_exit_status_1(tmp_path: Path) -> None:
    for label in ("normal", "abnormal"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 2 images can be read; the first: .*empty file"):
        audited(tmp_path)
    with pytest.raises(SystemExit, match="no such folder"):
        audit.main(["--Path", str(tmp_path / "none"), "--OUTPUT", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_shared_names_images_of_one_key_by_its_place() -> None:
    assert shared([("a", "1"), ("b", "1"), ("1", ""), ("a", "")]) == [[0, 3], [0, 1]]


@pytest.mark.skipif(
    not (SHARED / "xca_patches").is_dir(), reason="needs ../shared/datasets/xca_patches"
)
def test_the_leaks_and_copies_of_a_published_set_are_found() -> None:
    report = audited(SHARED / "xca_patches")
    assert len(files(report, "identical")) == 11
    assert not files(report, "labels_contradict")
    assert len({names[1] for names in files(report, "leak") if names[1].startswith("test/")}) >= 18


def test_images_of_one_detector_that_use_fewer_bits_than_most_are_not_of_another_depth(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures(count=6)
    for i, path in enumerate(sorted(raw.rglob("*.png"))):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16)
        image[0, 0] = 255
        cv2.imwrite(str(path), image * (2 if i == 3 else 16))
    audit.main(["--path", str(raw), "--output", str(tmp_path / "out")])
    report = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert files(report, "odd_depth") == []


@pytest.mark.parametrize("named", [True, False])
def test_a_prepared_folder_is_compared_by_what_was_known_of_its_patients(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Else pictures of different patients that look alike would be called one in two splits."""
    raw = pictures(count=6)
    rows = [
        f"{label}/p0{i}.png,{label},{label[0]}{i}"
        for label in ("normal", "abnormal")
        for i in range(6)
    ]
    column = "patient" if named else "note"
    (raw / "manifest.csv").write_text("\n".join([f"path,label,{column}", *rows]))
    prepare(raw, tmp_path / "PF", Config(image_size=32, patch_size=8))
    seen: list[list[str]] = []

    def same(sketches: list[object], patients: list[str]) -> np.ndarray:
        seen.append(patients)
        return np.zeros((0, 2), int)

    monkeypatch.setattr("data.audit.same_pictures", same)
    audit.audit(tmp_path / "PF")
    assert len(set(seen[0])) == (12 if named else 1)
    assert (seen[0][0] == "") != named
