"""python -m report.evaluate on tables that were edited, joined, moved, or kept by spreadsheets."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from report.evaluate import main

COLUMNS = ["path", "truth", "probability_normal", "probability_abnormal", "predicted"]
# probability of abnormal of images i0, i1, ...; every second one is abnormal
SHARES = (0.61, 0.94, 0.36, 0.72, 0.05, 0.45, 0.28, 0.81)
NAMES = ("normal", "abnormal")
Rows = list[dict[str, str]]


def predictions(folder: str = "val", threshold: float = 0.5) -> Rows:
    """Eight rows of a predictions.csv."""
    return [
        {
            "path": f"{folder}/{NAMES[i % 2]}/i{i}.npy",
            "truth": NAMES[i % 2],
            "probability_normal": f"{1 - share:.6f}",
            "probability_abnormal": f"{share:.6f}",
            "predicted": NAMES[share >= threshold],
        }
        for i, share in enumerate(SHARES)
    ]


def manifest(folder: str = "val", **columns: list[str]) -> Rows:
    """Rows of the same images, with further columns."""
    rows = [
        {"path": row["path"], "label": row["truth"], "group": f"g{i // 2}"}
        for i, row in enumerate(predictions(folder))
    ]
    return [
        row | {name: cells[i % len(cells)] for name, cells in columns.items()}
        for i, row in enumerate(rows)
    ]


def write(path: Path, rows: Rows, separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [separator.join(rows[0]), *(separator.join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What the command prints of rows of predictions, perhaps with a manifest and options."""
    monkeypatch.chdir(tmp_path)

    def call(rows: Rows, listed: Rows | None = None, *options: str) -> str:
        words = ["--predictions", str(write(tmp_path / "p.csv", rows))]
        if listed is not None:
            words += ["--manifest", str(write(tmp_path / "m.csv", listed))]
        main([*words, *options])
        captured = capsys.readouterr()
        return captured.out + captured.err

    return call


# the threshold


def test_a_changed_prediction_does_not_move_the_threshold(said: Callable[..., str]) -> None:
    rows = predictions()
    rows[4]["predicted"] = "abnormal"
    with pytest.raises(SystemExit) as end:
        said(rows)
    assert re.fullmatch(
        r"\S+p\.csv: no threshold gives the column predicted: with 0\.5, which comes closest, "
        r"1 of 8 would differ, as val/normal/i4\.npy: got 'abnormal' with probability_abnormal "
        r"0\.050000; mend such rows, write the table again with predict\.py, or give --threshold",
        str(end.value),
    )


def test_tables_of_two_thresholds_joined_into_one_are_refused(said: Callable[..., str]) -> None:
    rows = predictions("one", 0.3) + predictions("two", 0.7)
    with pytest.raises(SystemExit, match=r"no threshold gives .* of 16 would differ, as \w+/"):
        said(rows)


def test_a_threshold_that_is_given_stands_whatever_was_predicted(said: Callable[..., str]) -> None:
    rows = predictions()
    rows[4]["predicted"] = "abnormal"
    assert "positive from 0.4 on" in said(rows, None, "--threshold", "0.4")


def test_rows_without_truth_tell_the_threshold_too(said: Callable[..., str]) -> None:
    rows = predictions(threshold=0.3)
    rows[2]["truth"] = ""
    assert "positive from 0.36 on" in said(rows)


def test_images_that_rounding_put_on_the_threshold_are_counted_and_said(
    said: Callable[..., str],
) -> None:
    rows = predictions()
    for i in (2, 3):
        rows[i] |= {"probability_normal": "0.500000", "probability_abnormal": "0.500000"}
    assert (
        "the threshold 0.5 is the probability of images that were predicted normal and count as "
        "abnormal here: 1, such as val/normal/i2.npy" in said(rows)
    )


# the positive class


def test_the_word_for_disease_makes_a_class_the_positive_one(said: Callable[..., str]) -> None:
    order = ["path", "truth", "probability_abnormal", "probability_normal", "predicted"]
    swapped = [{name: row[name] for name in order} for row in predictions()]
    text = said(swapped)
    assert text.startswith("8 of 8 images, 4 abnormal;")
    assert (
        "note: abnormal is taken as the positive class for the names, though normal comes last"
        in text
    )


def renamed(normal: str, abnormal: str) -> Rows:
    """Predictions of other class names."""
    words = {"normal": normal, "abnormal": abnormal}
    return [
        {
            column.replace("probability_abnormal", f"probability_{abnormal}").replace(
                "probability_normal", f"probability_{normal}"
            ): words.get(cell, cell)
            for column, cell in row.items()
        }
        for row in predictions()
    ]


def test_the_class_that_is_not_normal_is_the_positive_one(said: Callable[..., str]) -> None:
    assert said(renamed("grade2", "healthy")).startswith("8 of 8 images, 4 grade2;")


@pytest.mark.parametrize(("first", "last"), [("LAD", "RCA"), ("lesion", "stenosis")])
def test_names_that_do_not_differ_in_meaning_leave_the_last_column(
    said: Callable[..., str], first: str, last: str
) -> None:
    assert said(renamed(first, last)).startswith(f"8 of 8 images, 4 {last};")


# images and the rows of the manifest


def test_two_images_that_fall_on_one_row_of_the_manifest_are_refused(
    said: Callable[..., str],
) -> None:
    rows = predictions("/x/siteA/val") + predictions("/x/siteB/val")
    with pytest.raises(
        SystemExit,
        match=r"for val/normal/i0\.npy got /x/siteA/val/normal/i0\.npy and /x/siteB/val/normal/i0"
        r"\.npy, wanted one image",
    ):
        said(rows, manifest())


def test_images_within_the_manifests_folder_keep_those_of_another_out(
    said: Callable[..., str], tmp_path: Path
) -> None:
    rows = predictions(f"{tmp_path}/siteA/val") + predictions(f"{tmp_path}/siteB/val")
    listed = write(tmp_path / "siteA" / "manifest.csv", manifest())
    text = said(rows, None, "--manifest", str(listed))
    assert text.startswith("8 of 16 images, 4 abnormal;")
    assert f"8 not in {listed}, such as {tmp_path}/siteB/val/normal/i0.npy" in text


def test_a_file_of_this_folder_is_not_taken_for_that_of_the_manifests_without_a_note(
    said: Callable[..., str], tmp_path: Path
) -> None:
    for row in predictions():
        write(tmp_path / row["path"], [row])
    listed = write(tmp_path / "siteA" / "manifest.csv", manifest())
    text = said(predictions(), None, "--manifest", str(listed))
    assert f"note: 8 images are found in {listed} by the end of the path alone" in text


def test_one_image_by_two_names_is_refused(said: Callable[..., str], tmp_path: Path) -> None:
    rows = predictions()
    rows.append(rows[0] | {"path": f"{tmp_path}/{rows[0]['path']}"})
    with pytest.raises(SystemExit, match=r"got val/normal/i0\.npy and /\S+/i0\.npy, wanted one"):
        said(rows, manifest())


@pytest.mark.parametrize("depth", ["", "normal", "a/b/val"])
def test_images_are_found_however_many_folders_the_manifest_names(
    said: Callable[..., str], depth: str
) -> None:
    listed = manifest()
    for row in listed:
        row["path"] = f"{depth}/{row['path'].rsplit('/')[-1]}".removeprefix("/")
    rows = predictions()
    for row, own in zip(rows, listed, strict=True):
        row["path"] = f"/moved/two/{own['path']}"
    text = said(rows, listed)
    assert text.startswith("8 of 8 images, 4 abnormal; 4 groups of the manifest")
    assert "note: 8 images are found in " in text
    assert "by the end of the path alone, such as /moved/two/" in text


def test_a_longer_path_of_the_manifest_comes_first(said: Callable[..., str]) -> None:
    listed = manifest() + [row | {"path": f"two/{row['path']}", "group": ""} for row in manifest()]
    rows = predictions("/x/two/val")
    assert "8 groups of the manifest" in said(rows, listed)


def test_an_image_that_may_be_either_of_two_rows_is_refused(said: Callable[..., str]) -> None:
    rows = predictions()
    for row in rows:
        row["path"] = row["path"].rsplit("/")[-1]
    listed = manifest() + [
        row | {"path": row["path"].replace("val", "train")} for row in manifest()
    ]
    with pytest.raises(
        SystemExit,
        match=r"m\.csv: i0\.npy may be val/normal/i0\.npy or train/normal/i0\.npy, wanted one; "
        "predict again with a longer path",
    ):
        said(rows, listed)


def test_a_raw_image_is_found_by_the_source_of_its_row(said: Callable[..., str]) -> None:
    rows = predictions()
    for i, row in enumerate(rows):
        row["path"] = f"/raw/images/{i}.png"
    assert said(rows, manifest(source=[f"images/{i}.png" for i in range(8)])).startswith("8 of 8")


def test_images_of_another_split_are_not_found_by_the_end_of_their_path(
    said: Callable[..., str],
) -> None:
    with pytest.raises(
        SystemExit,
        match=r"no image of known truth that --manifest lists: the predictions have "
        r"test/normal/i0\.npy, \S+m\.csv has val/normal/i0\.npy",
    ):
        said(predictions("test"), manifest())


def test_backslashes_of_another_system_are_understood(said: Callable[..., str]) -> None:
    rows = predictions()
    for row in rows:
        row["path"] = "C:\\PF\\" + row["path"].replace("/", "\\")
    assert said(rows, manifest()).startswith("8 of 8")


def test_a_label_that_is_no_class_among_some_that_are_is_refused(said: Callable[..., str]) -> None:
    listed = manifest()
    for row in listed[:3]:
        row["label"] = "uncertain"
    with pytest.raises(
        SystemExit,
        match=r"\A\S+m\.csv: got another label than the truth of the predictions for 3 images, as "
        r"'uncertain', not 'normal', for val/normal/i0\.npy; mend the label, or predict again\Z",
    ):
        said(predictions(), listed)


def test_a_label_column_of_something_else_is_passed_over_with_a_note(
    said: Callable[..., str],
) -> None:
    listed = manifest()
    for row in listed:
        row["label"] = "LAD"
    text = said(predictions(), listed)
    assert "m.csv: its labels, such as 'LAD', are no classes of the predictions" in text


# what is left out


def test_images_without_truth_are_counted_with_an_example(said: Callable[..., str]) -> None:
    rows = predictions()
    rows[2]["truth"] = rows[6]["truth"] = rows[7]["truth"] = ""
    text = said(rows)
    assert text.startswith("5 of 8 images, 3 abnormal;")
    assert "; 3 without truth, such as val/normal/i2.npy\n" in text


def test_a_value_without_positives_is_printed_with_its_counts(said: Callable[..., str]) -> None:
    listed = manifest(sex=["f", "m", "f", "m", "", "m; x", "m", ""])
    text = said(predictions(), listed, "--column", "sex")
    assert "f: 0 abnormal against 2, no figures\n" in text
    assert "x: 1 abnormal against 4, AUROC" in text
    assert "no value in sex: 2 images, 1 abnormal\n" in text


def test_images_that_were_in_training_are_said(said: Callable[..., str]) -> None:
    rows = [row | {"in_training": ("yes", "no")[i % 2]} for i, row in enumerate(predictions())]
    text = said(rows)
    assert "4 of 8 images were in training: their predictions look too good" in text


# tables as spreadsheets save them


def test_decimal_commas_are_read(said: Callable[..., str], tmp_path: Path) -> None:
    rows = [
        {
            name: cell.replace(".", ",") if name.startswith("probability_") else cell
            for name, cell in row.items()
        }
        for row in predictions()
    ]
    german = write(tmp_path / "german.csv", rows, ";")
    plain = said(predictions())
    assert said(predictions(), None, "--predictions", str(german)) == plain


@pytest.mark.parametrize("top", ["\n", "\r\n \r\n", ",,\n", ";;\n\n"])
def test_empty_lines_at_the_top_of_a_table_are_skipped(
    said: Callable[..., str], tmp_path: Path, top: str
) -> None:
    listed = write(tmp_path / "l.csv", manifest())
    listed.write_bytes(top.encode() + listed.read_bytes())
    assert "4 groups" in said(predictions(), None, "--manifest", str(listed))


def test_a_fault_below_empty_lines_is_named_by_its_line(
    said: Callable[..., str], tmp_path: Path
) -> None:
    listed = write(tmp_path / "l.csv", manifest())
    listed.write_text("\n\n" + listed.read_text() + "a,b,c,d\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"l\.csv, line 12: got 4 cells under 3 names"):
        said(predictions(), None, "--manifest", str(listed))


# another model


def test_a_comparison_finds_the_same_images_by_another_name(
    said: Callable[..., str], tmp_path: Path
) -> None:
    others = predictions(f"{tmp_path}/PF/val", 0.3)
    other = write(tmp_path / "other.csv", others)
    assert "minus that of" in said(predictions("PF/val"), None, "--versus", str(other))


def test_a_comparison_names_an_image_that_the_other_table_lacks(
    said: Callable[..., str], tmp_path: Path
) -> None:
    other = write(tmp_path / "other.csv", predictions()[:-2])
    with pytest.raises(
        SystemExit,
        match=r"other\.csv: no row for 2 of 8 images of \S+p\.csv, such as val/normal/i6\.npy; "
        r"its first is val/normal/i0\.npy; wanted the same images, predicted from the same folder",
    ):
        said(predictions(), None, "--versus", str(other))
