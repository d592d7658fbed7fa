"""Where the answers of one run lie in their studies: a new series of pictures, one of reports."""

from collections import Counter
from typing import NamedTuple, TypedDict

from highdicom import UID

from data.dicom_source import MAKER, Source
from report.dicom_answer import Author

PICTURES, REPORTS = 9901, 9902  # numbers of the series


class Identity(TypedDict):
    """What highdicom asks of every object: which one it is, in which series, and who made it."""

    series_instance_uid: str
    series_number: int
    series_description: str
    sop_instance_uid: str
    instance_number: int
    manufacturer: str
    manufacturer_model_name: str
    device_serial_number: str
    software_versions: str


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

    def identity(self, description: str, author: Author) -> Identity:
        """That of a new object here, made by ``author``; ``description``: of its series."""
        return {
            "series_instance_uid": self.series,
            "series_number": self.series_number,
            "series_description": description,
            "sop_instance_uid": UID(),
            "instance_number": self.instance_number,
            "manufacturer": MAKER,
            "manufacturer_model_name": MAKER,
            "device_serial_number": author.sha256,
            "software_versions": author.version,
        }


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
