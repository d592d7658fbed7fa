"""report/matching.py: which row of a manifest is that of an image."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.prediction_tables import manifest, predictions, write


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
