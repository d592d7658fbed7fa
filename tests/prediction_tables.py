"""Tables of predictions and manifests of the same images, for the tests."""

from pathlib import Path

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
