"""What data.audit finds: each kind of fault with what to do about it."""

from typing import NamedTuple

KINDS = {  # worst first: what it is, what to do
    "labels_contradict": "byte-identical files under two labels: keep the one with the right label",
    "leak": "the same picture, or nearly, in two splits: split again, data.prepare keeps such "
    "pictures together",
    "group_across_splits": "one group (patient, vessel) in two splits: split again by group",
    "similar_contradict": "nearly the same picture under two labels: look at each pair, one label "
    "may be wrong",
    "shortcut": "classes differ in what should tell nothing: see in audit.png what it is; crop or "
    "even it out",
    "unreadable": "unreadable, damaged, constant or out of range: replace or remove",
    "colour": "colour where grey is expected: export as grey; overlays may be burned in",
    "odd_size": "not of the size that most have: find out where they come from",
    "odd_depth": "not of the format and bit depth that most have: export all alike",
    "wrong_suffix": "content and name disagree: rename it, for other programs may not read it",
    "class_missing": "a split lacks a class: split again",
    "identical": "byte-identical files, same label: remove all but one",
    "uneven": "one class is far rarer: collect more, or judge by AUROC and not by accuracy",
    "near_duplicate": "nearly the same picture in one split: nothing to do, data.prepare ties them "
    "into one group",
}
NOTICES = ("uneven", "near_duplicate")  # worth knowing, no fault


class Finding(NamedTuple):
    """Files that are at fault together, the earliest split first."""

    kind: str  # of KINDS
    files: list[str]
    detail: str = ""  # what is wrong with them, beyond the kind

    @property
    def is_fault(self) -> bool:
        """Whether it has to be mended."""
        return self.kind not in NOTICES

    def as_json(self) -> dict[str, object]:
        """Its entry in audit.json."""
        return {
            "fault": self.is_fault,
            "what": KINDS[self.kind],
            "kind": self.kind,
            "files": self.files,
            "how": self.detail,
        }
