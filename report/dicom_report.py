"""A structured report of an answer: DICOM TID 1500, which archives and other programs read.

Templates: DICOM PS3.16, TID 1500 "Measurement Report" with one group of TID 1501 for the picture.
"""

import hashlib

from highdicom import UID
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from data.dicom_source import MAKER, hand_on
from errors import one_line
from report.dicom_answer import RESEARCH, Answer, SourcePicture
from report.dicom_place import Place

DESCRIPTION = "Research, not diagnosis: prediction"
SCHEME = "99CVIT"  # of the codes of this program; 99 begins private ones
LONGEST_CODE, LONGEST_MEANING = 16, 64  # characters
UNIT = codes.UCUM.NoUnits
IMAGING = CodedConcept("363679005", "SCT", "Imaging")
COMMENT = CodedConcept("121106", "DCM", "Comment")
YES, NO = CodedConcept("373066001", "SCT", "Yes"), CodedConcept("373067005", "SCT", "No")


class _Report(ComprehensiveSR):
    """highdicom takes patient and study over by a table of SOP classes, which lacks older ones."""

    def copy_patient_and_study_information(self, dataset: Dataset) -> None:
        hand_on(dataset, self)


def coded(meaning: str, kind: str = "") -> CodedConcept:
    """A concept of this program.

    Args:
        meaning: what it is called; a long one is cut, and keeps a code of its own.
        kind: begins the code where two concepts are called alike.
    """
    text = one_line(meaning).replace("\\", "/").strip() or "-"
    digest = hashlib.sha256(f"{kind}{meaning}".encode()).hexdigest()
    plain = text.isascii() and text == meaning and len(text) <= LONGEST_CODE and not kind
    code = text if plain else digest[:LONGEST_CODE]
    if len(text) > LONGEST_MEANING:
        text = f"{text[:40]}...{text[43 - LONGEST_MEANING :]}"  # both ends tell classes apart
    return CodedConcept(code, SCHEME, text)


def report_of(answer: Answer, place: Place) -> ComprehensiveSR:
    """A report of an answer, of the study and patient of its source.

    Args:
        answer: what is said.
        place: its series, and its number there.
    """
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(answer)),
        procedure_reported=IMAGING,
        imaging_measurements=[_group(answer)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    content[0].ContentSequence.append(_comment(f"{RESEARCH}."))
    return _Report(
        evidence=_evidence(answer),
        content=content,
        coding_schemes=[
            CodingSchemeIdentificationItem(SCHEME, name="classes and figures of coronary-vit")
        ],
        **place.identity(DESCRIPTION, answer.author),
    )


def _observer(answer: Answer) -> ObserverContext:
    """The model, whose UID is the same wherever its file is the same."""
    author = answer.author
    device = DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[author.sha256]),
        name=one_line(author.file),
        manufacturer_name=MAKER,
        model_name=f"{MAKER} {author.version}",
        serial_number=author.sha256,
    )
    return ObserverContext(codes.DCM.Device, device)


def _group(answer: Answer) -> MeasurementsAndQualitativeEvaluations:
    """What is said of the picture: TID 1501, with the picture that it is said of."""
    whole = "group of pictures" if answer.is_of_several else "whole picture"
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(UID(), f"prediction for the {whole}"),
        finding_type=coded(answer.prediction.label),
        algorithm_id=_algorithm(answer),
        measurements=[*_measurements(answer), *_weights(answer)],
        qualitative_evaluations=_evaluations(answer),
        source_images=[
            SourceImageForMeasurementGroup(*_reference(each)) for each in answer.pictures
        ],
    )
    said = [*answer.lines(), *answer.weight_lines()]
    group[0].ContentSequence.extend([_comment(line) for line in said])
    return group


def _algorithm(answer: Answer) -> AlgorithmIdentification:
    """TID 4019: name, version, and what else makes this answer another model's."""
    author = answer.author
    return AlgorithmIdentification(
        MAKER,
        author.version,
        [
            f"checkpoint: {one_line(author.file)}",
            f"checkpoint sha256: {author.sha256}",
            f"temperature: {author.facts.temperature:.9g}",
            f"level of the prediction set: {author.level:g}",
            f"evidence map: {author.map_words}",
        ],
    )


def _measurements(answer: Answer) -> list[Measurement]:
    """Probability of each class, threshold and distance."""
    author = answer.author
    shares = answer.prediction.probabilities
    found = [_number(f"Probability of {name}", share) for name, share in shares.items()]
    if author.has_threshold:
        words = f"Decision threshold for {author.facts.positive}"
        found.append(_number(words, author.facts.threshold))
    if answer.prediction.distance is not None:
        found.append(_number("Distance from the training images", answer.prediction.distance))
    return found


def _weights(answer: Answer) -> list[Measurement]:
    """The weight of each picture, with the picture, where there are several."""
    if not answer.is_of_several:
        return []
    name = "Weight of the picture"
    images = [SourceImageForMeasurement(*_reference(each)) for each in answer.pictures]
    return [
        _number(name, each.weight, [image])
        for each, image in zip(answer.pictures, images, strict=True)
    ]


def _reference(picture: SourcePicture) -> tuple[str, str, list[int] | None]:
    """Class and instance UID of a source, and its frame."""
    about = picture.source.about
    return about.SOPClassUID, about.SOPInstanceUID, picture.frame_numbers


def _evidence(answer: Answer) -> list[Dataset]:
    """Each source once; the first is the one whose study the report joins."""
    sources = {each.source.instance: each.source.about for each in answer.pictures}
    return list(sources.values())


def _number(
    words: str, value: float, images: list[SourceImageForMeasurement] | None = None
) -> Measurement:
    return Measurement(
        name=coded(words, "number"), value=float(value), unit=UNIT, referenced_images=images
    )


def _evaluations(answer: Answer) -> list[QualitativeEvaluation]:
    """Prediction set, and what to trust the answer less for."""
    prediction = answer.prediction
    name = coded("Prediction set")
    found = []
    if prediction.prediction_set is not None:
        held = [coded(each) for each in prediction.prediction_set]
        held = held or [coded("none of the classes", "empty set")]
        found += [QualitativeEvaluation(name, each) for each in held]
    if prediction.distance is not None:
        unlike = YES if prediction.is_unlike else NO
        found.append(QualitativeEvaluation(coded("Unlike the training images"), unlike))
    learned = YES if prediction.in_training else NO
    known = "A picture was in training" if answer.is_of_several else "Image was in training"
    found.append(QualitativeEvaluation(coded(known), learned))
    return found


def _comment(text: str) -> TextContentItem:
    return TextContentItem(COMMENT, text, RelationshipTypeValues.CONTAINS)
