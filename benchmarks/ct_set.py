"""A set like the published one, of made-up reformations from a scanner that pre-training never had.

python -m benchmarks.ct_set --OUTPUT FOLDER

NORMAL and ABNORMAL pictures, VIEWS of each vessel, one vessel of each patient, and class labels
alone: manifest.csv names neither lesions nor masks. For data.prepare --folds 5, train.py --folds
and benchmarks.peers.
"""

import argparse
import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import errors
from data.tables import write_table
from files import folder_written_whole
from phantoms.mpr import write

NORMAL, ABNORMAL = 127, 78
VIEWS = 3
PATIENTS = 120  # that are drawn; the first that are needed stay
SEED = 205
COLUMNS = ("path", "label", "patient", "vessel")


def chosen(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The first rows of each label, as many as the published set has."""
    left = {"normal": NORMAL, "abnormal": ABNORMAL}
    out = []
    for row in rows:
        if left[row["label"]]:
            left[row["label"]] -= 1
            out.append({name: row[name] for name in COLUMNS})
    if any(left.values()):
        raise errors.UserError(f"got too few pictures: {left} are missing; raise PATIENTS")
    return out


def make(output: Path, image_size: int) -> None:
    """Write the set to the new folder ``output``."""
    with TemporaryDirectory() as scratch:
        table = write(Path(scratch) / "all", PATIENTS, VIEWS, 1, image_size, 1.0, SEED, "other")
        with table.open(newline="", encoding="utf-8") as file:
            rows = chosen(list(csv.DictReader(file)))
        with folder_written_whole(output) as made:
            for row in rows:
                target = made / row["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((table.parent / row["path"]).read_bytes())
            write_table(made / "manifest.csv", rows, COLUMNS)
    print(f"{len(rows)} pictures of {len({row['patient'] for row in rows})} patients: {output}")


def main(argv: list[str]) -> None:
    """Make the set as the command line says."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.ct_set",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--OUTPUT", type=Path, required=True)
    parser.add_argument("--image_size", type=int, default=256)
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        make(given.OUTPUT, given.image_size)


if __name__ == "__main__":
    errors.run(main)
