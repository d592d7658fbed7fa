"""Where the answers of one run lie in their studies: a new series of pictures, one of reports."""

from collections import Counter
from typing import NamedTuple

from highdicom import UID

from data.dicom_source import Source

PICTURES, REPORTS = 9901, 9902  # numbers of the series


class Place(NamedTuple):
    """The series of an object, and its number there.

    Args:
        series: its UID.
        series_number: by which viewers sort series.
        instance_number: from 1.
    """

    series: str
    series_number: int
    instance_number: int


def places_of(sources: list[Source]) -> list[tuple[Place, Place]]:
    """For each source the place of its picture and of its report, in series that are new.

    All pictures of a study lie in one series, so that a viewer leafs through them; so do reports.
    """
    series: dict[str, tuple[str, str]] = {}
    counts: Counter[str] = Counter()
    places = []
    for source in sources:
        pictures, reports = series.setdefault(source.study, (UID(), UID()))
        counts[source.study] += 1
        number = counts[source.study]
        places.append((Place(pictures, PICTURES, number), Place(reports, REPORTS, number)))
    return places
