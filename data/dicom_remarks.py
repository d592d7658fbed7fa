"""What a DICOM header declares that its grey pixels do not show."""

import pydicom

from data.remarks import Remark

COLOURED = ("COLOR", "MIXED", "TRUE_COLOR")
REMARKS = {
    "subtracted": Remark(
        "are DICOM runs that viewers show subtracted (RecommendedViewingMode SUB)",
        ", and are taken as they are stored",
    ),
    "coloured": Remark(
        "are DICOM with colours beside their grey (PixelPresentation)",
        ": their grey alone is taken",
    ),
    "text": Remark(
        "are DICOM that says of itself that text is burned in (BurnedInAnnotation)",
        ": a model may learn to read it",
    ),
    "scout": Remark(
        "are DICOM localizers (ImageType)", ", and are taken as any other; remove them if need be"
    ),
    "overlay": Remark(
        "are DICOM with overlays, such as drawings and text (60xx,3000)", ", which are not shown"
    ),
}
OVERLAYS = range(0x6000, 0x6020, 2)


def remarks_of(data: pydicom.Dataset) -> tuple[Remark, ...]:
    """What is to be said of a file."""
    declared = {
        "subtracted": data.get("RecommendedViewingMode") == "SUB",
        "coloured": data.get("PixelPresentation") in COLOURED,
        "text": data.get("BurnedInAnnotation") == "YES",
        "scout": "LOCALIZER" in (data.get("ImageType") or ()),
        "overlay": any((group, 0x3000) in data for group in OVERLAYS),
    }
    return tuple(REMARKS[name] for name, is_so in declared.items() if is_so)


def assumed_window(centre: float, width: float) -> Remark:
    """That a file names no window, and which one was chosen for it."""
    return Remark(
        "are CT that names no window",
        f": they are shown at centre {centre:g} and width {width:g} HU; --window_centre and "
        "--window_width of data.prepare choose another",
    )
