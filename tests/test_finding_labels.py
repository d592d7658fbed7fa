"""How raw tables name several findings of one image, and what is refused; folders and splits."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import CONFIG
from data import audit, processed
from data import prepare as command
from data.finding_words import is_nothing
from data.inputs import gather
from data.multilabel import Findings, in_folder, is_name, labelled
from data.prepare import prepare
from data.readers import DataError
from data.splits import folds, grouped_split
from data.tables import Row
from metrics.decision import MULTILABEL, apart, joined, which_held
from tests.findings import FINDINGS, with_findings
from training import probe
from training.data_checks import check_images

THREE = Findings(["calcified", "soft plaque", "stent"])
SMALL = CONFIG.Config(image_size=32, patch_size=8, val_share=0.3)
OF_FINDINGS = CONFIG.Config(image_size=32, patch_size=8, task=MULTILABEL, num_classes=2)


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("calcified", "calcified"),
        ("stent;calcified", "calcified;stent"),
        ("Stent | Soft-Plaque", "soft plaque;stent"),
        ("calcified, soft_plaque,", "calcified;soft plaque"),
        ("stent;stent", "stent"),
        ("none", "none"),
        ("No Finding", "none"),
        ("normal", "none"),
        ("Kein Befund", "none"),
        ("ohne Befund", "none"),
        ("Aucune lésion", "none"),
        ("pas d'anomalie", "none"),
        ("Sin hallazgos", "none"),
        ("Nessun reperto", "none"),
    ],
)
def test_a_label_names_findings_or_none(cell: str, label: str) -> None:
    assert THREE.read(cell) == label


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "does not say what the image has"),
        ("unknown", "does not say what the image has"),
        ("calcified;?", "'[?]', which does not say"),
        ("-1", "does not say what the image has"),
        ("calcified;thrombus", "'thrombus', which is none of the findings"),
        ("0", "'0', which is none of the findings"),
        ("none;stent", "says both none and a finding"),
        ("kein Befund;stent", "says both kein Befund and a finding"),
        ("stent;normal", "says both normal and a finding"),
    ],
)
def test_a_label_that_is_not_sure_is_refused(cell: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        THREE.read(cell)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["stent"], "got stent, wanted 2 or more"),
        (["stent", "Stent"], "got stent and Stent, wanted each finding once"),
        (["stent", "none"], "got 'none', wanted the name of a finding"),
        (["stent", "normal"], "got 'normal', wanted the name of a finding"),
        (["stent", "a/b"], "got 'a/b', wanted the name of a finding"),
        (["CAD+", "stent"], r"got 'CAD\+', wanted the name of a finding"),
        (["a,b"], "got 'a,b', wanted blanks between the names: --findings a b"),
        (["a;b", "stent"], "got 'a;b stent', wanted blanks .*: --findings a b stent"),
        (["soft plaque, stent"], "wanted blanks .*: --findings 'soft plaque' stent"),
        (["a+b"], r"got 'a\+b', wanted blanks between the names: --findings a b"),
        (["stent,", "a"], "wanted blanks between the names: --findings stent a"),
        (["stent", ""], "got '', wanted the name of a finding"),
        (["stent", "../x"], "wanted the name of a finding"),
        (["stent", "unknown"], "got 'unknown', wanted the name of a finding"),
    ],
)
def test_findings_have_names(names: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Findings.given(names)
    assert is_name("soft plaque (LAD)")


@pytest.mark.parametrize(
    "name", ["path", "Label", "split", "set", "mask", "patient", "Patient ID", "fold", "group"]
)
def test_a_finding_has_no_name_of_a_known_column(name: str) -> None:
    with pytest.raises(DataError, match=f"got '{name}', wanted another name: columns of that"):
        Findings.given(["stent", name])


def flags(*cells: str, **more: str) -> Row:
    return {"path": "a.png", **dict(zip(THREE.names, cells, strict=True)), **more}


@pytest.mark.parametrize(
    ("cells", "label"),
    [
        (("1", "0", "1.0"), "calcified;stent"),
        (("no", "Yes", "false"), "soft plaque"),
        (("absent", "negative", "0.0"), "none"),
    ],
)
def test_columns_of_yes_and_no_are_a_label(cells: tuple[str, ...], label: str) -> None:
    notes: list[str] = []
    rows = [flags(*cells), flags("1", "1", "1")]
    found = labelled(rows, THREE, Path("m.csv"), notes)
    assert found[0] == {"path": "a.png", "label": label}
    assert "the findings are those of the columns calcified, soft plaque, stent" in notes


@pytest.mark.parametrize("cell", ["", "-1", "-1.0", "0.3", "2", "unknown", "lesion", "x"])
def test_a_cell_that_is_neither_yes_nor_no_is_refused(cell: str) -> None:
    rows = [flags("1", "1", "1"), flags("1", cell, "0"), flags("1", cell, "0")]
    said = rf"m\.csv: 2 rows with '{cell}' in the column soft plaque, .*such as line 3"
    with pytest.raises(DataError, match=said):
        labelled(rows, THREE, Path("m.csv"), [])


def test_every_kind_of_fault_is_counted() -> None:
    rows = [{"path": "a", "label": cell} for cell in ("stent", "thrombus", "thrombus", "")]
    with pytest.raises(DataError) as caught:
        labelled(rows, THREE, Path("m.csv"), [])
    first, second, advice = str(caught.value).splitlines()
    assert first.startswith("m.csv: 2 rows with the label 'thrombus'")
    assert second.startswith("m.csv: 1 rows with the label ''")
    assert "such as line 5" in second
    assert advice.startswith("wanted calcified, soft plaque, stent, or none")


def test_a_label_that_denies_the_columns_is_refused() -> None:
    rows = [flags("1", "1", "1"), flags("0", "0", "1", label="normal")]
    with pytest.raises(DataError, match=r"1 rows whose label says that there is nothing, .*line 3"):
        labelled(rows, THREE, Path("m.csv"), [])


@pytest.mark.parametrize("name", ["No Finding", "none", "Normal", "kein Befund"])
def test_a_column_for_none_that_denies_the_others_is_refused(name: str) -> None:
    cells = [("1", "1", "1"), ("0", "0", "1"), ("0", "0", "1")]
    rows = [flags(*cells[0], **{name: "0"}), *(flags(*each, **{name: "1"}) for each in cells[1:])]
    said = rf"m\.csv: 2 rows that have 1 in the column {name}, .*such as line 3"
    with pytest.raises(DataError, match=said):
        labelled(rows, THREE, Path("m.csv"), [])
    assert [THREE.truth_of(row) for row in rows] == ["calcified;soft plaque;stent", "", ""]


def notes_of(rows: list[Row], findings: Findings = THREE) -> list[str]:
    notes: list[str] = []
    labelled(rows, findings, Path("m.csv"), notes)
    return notes


NOTHING_SAID = "images have none of the findings, though"


def test_images_that_have_something_else_are_counted() -> None:
    rows = [flags("1", "1", "1"), *[flags("0", "0", "0")] * 3]
    column = [row | {"No Finding": cell} for row, cell in zip(rows, "0010", strict=True)]
    assert (
        f"2 {NOTHING_SAID} the column No Finding says 0, such as line 3: they may have one that is "
        "not named with --findings"
    ) in notes_of(column)
    cells = ["thrombus", "thrombus", "none", "0"]
    label = [row | {"label": cell} for row, cell in zip(rows, cells, strict=True)]
    (said,) = [note for note in notes_of(label) if NOTHING_SAID in note]
    assert said.startswith(f"1 {NOTHING_SAID} their label is no word for none, such as line 3")


def test_columns_of_0_and_1_that_nobody_named_are_said() -> None:
    row = {"patient": "1", "set": "1", "fold": "1", "mask": "", "age": "1", "No Finding": "0"}
    rows = [
        {"path": "a", "calcified": "1", "soft": "1", "stent": "0", "thrombus": "no"} | row,
        {"path": "b", "calcified": "0", "soft": "0", "stent": "1", "thrombus": "-1"} | row,
        {"path": "c", "calcified": "0", "soft": "0", "stent": "", "thrombus": "yes"} | row,
        {"path": "d", "calcified": "0", "soft": "0", "stent": "0", "thrombus": "no"}
        | row
        | {"age": "60", "No Finding": "1"},
    ]
    two = Findings(["calcified", "soft"])
    said = (
        "columns of 0 and 1 that are not read: stent (1 in 4 rows), thrombus (1 in 4 rows); name "
        "them with --findings if they are findings"
    )
    assert said in notes_of(rows, two)
    in_label = [each | {"label": "calcified;soft"} for each in rows[:1]] * 2
    assert not any("not read: stent" in note for note in notes_of(in_label, two))
    absent = [each | {"stent": "0", "thrombus": "0"} for each in rows]
    assert not any("columns of 0 and 1" in note for note in notes_of(absent, two))


def test_a_column_that_holds_the_findings_is_to_be_called_label() -> None:
    rows = [{"path": "a", "findings": ""}, {"path": "b", "findings": "stent;calcified"}]
    with pytest.raises(DataError, match=r"does not say which .* got path, findings; rename find"):
        labelled(rows, THREE, Path("m.csv"), [])
    with pytest.raises(DataError, match=r"wanted a column label, .* got path, age$"):
        labelled([{"path": "a", "age": "7"}], THREE, Path("m.csv"), [])


def test_columns_of_0_and_1_without_a_label_hint_at_findings(tmp_path: Path) -> None:
    raw = with_findings(tmp_path / "raw", 2, columns=True)
    said = r"no column label; got .* may have several: --findings square disc$"
    with pytest.raises(DataError, match=said):
        prepare(raw, tmp_path / "p", SMALL)


def test_a_table_without_label_and_columns_is_refused() -> None:
    rows = [{"path": "a", "stent": "1"}]
    said = "no column label, and not a column for each finding; it lacks calcified, soft plaque"
    with pytest.raises(DataError, match=said):
        labelled(rows, THREE, Path("m.csv"), [])


def test_a_finding_that_no_image_has_is_refused() -> None:
    rows = [{"path": "a", "label": "stent;calcified"}]
    with pytest.raises(DataError, match="no image has soft plaque; leave it out of --findings"):
        labelled(rows, THREE, Path("m.csv"), [])


@pytest.mark.parametrize("columns", [False, True])
def test_a_folder_of_findings_is_prepared_and_read_again(tmp_path: Path, columns: bool) -> None:
    raw = with_findings(tmp_path / "raw", 6, columns=columns)
    result = prepare(raw, tmp_path / "processed", SMALL, findings=FINDINGS)
    assert result.multilabel and result.class_names == FINDINGS
    told = {sample.source: sample.label for sample in result.samples}
    with (raw / "manifest.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            given = [name for name in FINDINGS if row.get(name) == "1"]
            assert told[row["path"]] == (joined(given) if columns else row["label"])
    assert {sample.path.split("/")[1] for sample in result.samples} == {
        "none",
        "square",
        "disc",
        "square+disc",
    }
    assert not {"square", "disc"} & set(result.samples[0].more)
    again = processed.load(tmp_path / "processed")
    assert [sample.label for sample in again.samples] == [each.label for each in result.samples]
    assert again.healthy == "none"
    by_class = again.by_class(again.samples)
    assert {name: len(found) for name, found in by_class.items()} == {
        "square": 12,
        "disc": 12,
        "none": 6,
    }
    groups = [{each.group for each in again.of(split)} for split in ("train", "val")]
    assert not groups[0] & groups[1]


def test_labels_of_an_edited_folder_are_read_or_refused(tmp_path: Path) -> None:
    prepare(with_findings(tmp_path / "raw", 6), tmp_path / "p", SMALL, findings=FINDINGS)
    table = tmp_path / "p" / "manifest.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("square;disc", "disc|square"), encoding="utf-8")
    labels = {sample.label for sample in processed.load(tmp_path / "p").samples}
    assert labels == {"square;disc", "square", "disc", "none"}
    table.write_text(text.replace("square;disc", "square;ring"), encoding="utf-8")
    with pytest.raises(DataError, match="got the label 'ring', which is none of the findings"):
        processed.load(tmp_path / "p")


def test_a_split_of_ones_own_needs_each_finding_on_both_sides(tmp_path: Path) -> None:
    raw = with_findings(tmp_path / "raw", 6, split=True)
    table = raw / "manifest.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not ("disc" in line and line.endswith("val"))]
    table.write_text("\n".join(kept) + "\n", encoding="utf-8")
    prepare_it = (raw, tmp_path / "p", SMALL)
    with pytest.raises(DataError, match="val: no image of class disc; every class needs some"):
        prepare(*prepare_it, findings=FINDINGS)
    only = [line for line in lines if "disc" in line or not line.endswith("val")]
    table.write_text("\n".join(only) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="val: all images have disc; every finding needs some imag"):
        prepare(*prepare_it, findings=FINDINGS)


def test_class_folders_hold_one_label(tmp_path: Path) -> None:
    (tmp_path / "raw" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no manifest\.csv, which findings need: a class folder"):
        prepare(tmp_path / "raw", tmp_path / "p", SMALL, findings=FINDINGS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "multilabel"], "task: multilabel: got no --findings; name them"),
        (["--findings", "square", "disc", "--order", "a", "b"], "--order: is of classes, got find"),
        (["--findings", "square", "disc", "--positive", "disc"], "--positive: is of classes"),
        (["--findings", "square", "disc", "--task", "ordinal"], "--findings: got task: ordinal"),
        (["--findings", "square"], "--findings: got square, wanted 2 or more"),
        (["--findings", "square", "ring"], "rows with the label 'disc', which is none of the"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, options: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_findings(tmp_path / "raw", 2)
    with pytest.raises(SystemExit, match=said):
        command.main(["--Path", "raw", "--OUTPUT", "p", *options])
    assert not (tmp_path / "p").exists()


def rare(count: int = 60) -> tuple[list[str], list[int]]:
    """Labels and groups of three images each; the third finding is rare."""
    rng = np.random.default_rng(4)
    chosen = rng.random((count, 2)) < (0.5, 0.2)
    labels = [joined([name for name, has in zip("ab", row, strict=True) if has]) for row in chosen]
    for number in (3, 22, 50):
        labels[number] = joined([*apart(labels[number]), "c"])
    return labels, [number // 3 for number in range(count)]


def test_a_split_holds_its_share_of_each_finding_and_tears_no_group() -> None:
    labels, groups = rare()
    chosen = grouped_split(labels, groups, 0.3, seed=1, multilabel=True)
    sides = [
        Counter(name for label, is_in in zip(labels, chosen, strict=True) if is_in is side
                for name in apart(label) or ["none"])
        for side in (np.True_, np.False_)
    ]  # fmt: skip
    for name in ("a", "b", "c", "none"):
        total = sides[0][name] + sides[1][name]
        assert abs(sides[0][name] - 0.3 * total) <= 1.5, name
    assert sides[0]["c"] == 1
    for number in range(20):
        assert len({bool(chosen[i]) for i in range(60) if groups[i] == number}) == 1


def test_folds_hold_each_finding_and_tear_no_group() -> None:
    labels, groups = rare()
    numbers = folds(labels, groups, 3, 0, multilabel=True)
    for fold in range(3):
        there = {name for label in np.array(labels)[numbers == fold] for name in apart(label)}
        assert there == {"a", "b", "c"}
    assert all(len(set(numbers[np.array(groups) == g])) == 1 for g in set(groups))
    assert Counter(numbers.tolist()).keys() == {0, 1, 2}
    with pytest.raises(DataError, match=r"class c has 3 group\(s\)"):
        folds(labels, groups, 4, 0, multilabel=True)


def test_a_finding_of_one_group_has_no_split() -> None:
    labels = ["a", "a;b", "a", "none"]
    with pytest.raises(DataError, match=r"b first of all: b 1 images in 1 group\(s\)"):
        grouped_split(labels, [0, 1, 2, 3], 0.5, 0, multilabel=True)


def test_the_task_and_the_folder_have_to_agree(tmp_path: Path) -> None:
    found = prepare(with_findings(tmp_path / "raw", 6), tmp_path / "p", SMALL, findings=FINDINGS)
    check_images(OF_FINDINGS, found)
    with pytest.raises(DataError, match="may have several of square, disc, but task is classes"):
        check_images(SMALL, found)
    classes = processed.Processed(found.folder, found.samples, found.class_names, {})
    with pytest.raises(DataError, match="classes square, disc were not prepared as findings"):
        check_images(OF_FINDINGS, classes)
    with pytest.raises(DataError, match="several findings, which the audit does not know"):
        audit.audit(tmp_path / "p")


@pytest.mark.parametrize("columns", [False, True])
def test_truths_of_raw_images_are_read_as_they_are_prepared(tmp_path: Path, columns: bool) -> None:
    raw = with_findings(tmp_path / "raw", 2, columns=columns)
    images = sorted(raw.glob("*.png"))
    told = [item.truth for item in gather(images, FINDINGS, raw, Findings(FINDINGS))]
    assert Counter(told) == {"none": 2, "square": 2, "disc": 2, "square;disc": 2}


def test_a_folder_never_tells_findings(tmp_path: Path) -> None:
    raw = with_findings(tmp_path / "square", 1)
    (raw / "manifest.csv").unlink()
    (item, *_) = gather(sorted(raw.glob("*.png")), FINDINGS, tmp_path, Findings(FINDINGS))
    assert item.truth == ""


@pytest.mark.parametrize(
    ("folder", "is_said"), [("square+disc", True), ("none", True), ("val/disc", True), ("x", False)]
)
def test_folders_of_findings_are_said_to_tell_no_truth(
    tmp_path: Path, folder: str, is_said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = with_findings(tmp_path / "set" / folder, 1)
    (raw / "manifest.csv").unlink()
    images = sorted(raw.glob("*.png"))
    for given in (tmp_path / "set", raw, images[0]):
        found = gather(images, FINDINGS, given, Findings(FINDINGS))
        assert not any(item.truth for item in found)
        said = " ".join(capsys.readouterr().err.split())
        assert ("4 of 4 images have no truth" in said) is is_said
        assert ("a manifest.csv with path and label does" in said) is is_said


def test_a_label_of_many_findings_is_no_folder_name() -> None:
    assert in_folder("a;b") == "a+b"
    assert len(in_folder(";".join(f"finding {i}" for i in range(99)))) < 60


def test_joined_labels_are_said_where_nobody_named_findings(tmp_path: Path) -> None:
    result = prepare(with_findings(tmp_path / "raw", 6), tmp_path / "p", SMALL)
    assert not result.multilabel and "square;disc" in result.class_names
    (said,) = [note for note in result.info["notes"] if "several others together" in note]
    assert said.endswith("if an image may have several: --findings disc square")


def test_the_probe_asks_of_each_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prepare(with_findings(tmp_path / "raw", 6), tmp_path / "p", SMALL, findings=FINDINGS)
    asked = probe.questions_of(folder, folder.samples)
    truths = which_held([sample.label for sample in folder.samples], FINDINGS)
    assert [question.labels.tolist() for question in asked] == truths.T.astype(int).tolist()
    for _, sides in asked:
        for known, held_out in sides:
            groups = [{folder.samples[i].group for i in side} for side in (known, held_out)]
            assert not groups[0] & groups[1]
    shown = np.column_stack([truths, np.ones(len(truths))]).astype(float)
    monkeypatch.setattr(probe, "_figures", lambda *_: shown)
    nothing: Any = None
    assert probe.auroc_of(nothing, nothing, folder, folder.samples, asked) == 1.0


@pytest.mark.parametrize("word", ["non-obstructive", "not occluded", "no stenosis", "-"])
def test_what_denies_one_thing_is_no_word_for_none(word: str) -> None:
    assert not is_nothing(word)


@pytest.mark.parametrize("column", ["No", "No.", "no_lesions_total", "control", "absent"])
def test_a_number_or_another_answer_is_no_column_for_none(column: str) -> None:
    row = {column: "1", "path": "a.png", "label": "soft"}
    assert Findings.given(["calcified", "soft"]).truth_of(row) == "soft"
