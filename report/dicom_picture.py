"""A Secondary Capture object of an answer: its picture, for the archive of the source."""

from highdicom.sc import SCImage
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from data.dicom_source import hand_on
from report.dicom_answer import RESEARCH, Answer, SourcePicture
from report.dicom_place import Place

DESCRIPTION = "Research, not diagnosis: evidence map"
SOURCE = ("121322", "DCM", "Source image for image processing operation")
MOST_COMMENT = 10_240  # characters, PS3.5 table 6.2-1


def picture_of(answer: Answer, pixels: NDArray, place: Place) -> SCImage:
    """A Secondary Capture of an answer, of the study and patient of the picture shown.

    Args:
        answer: what is said.
        pixels: (H, W, 3) uint8 RGB, see report.dicom_drawing.
        place: its series, and its number there.
    """
    image = SCImage.from_ref_dataset(
        ref_dataset=answer.source.about,
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),  # highdicom asks for one; it is emptied below
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **place.identity(DESCRIPTION, answer.author),
    )
    # of several panels and words DICOM lets both be unknown
    image.PatientOrientation = []
    image.Laterality = ""
    hand_on(answer.source.about, image)
    image.SourceImageSequence = [_reference(each) for each in answer.pictures]
    image.DerivationDescription = f"{RESEARCH}. Evidence map of a neural network over the source."
    comments = "\r\n".join([f"{RESEARCH}.", *answer.lines(), *answer.weight_lines()])
    is_long = len(comments) > MOST_COMMENT
    image.ImageComments = f"{comments[: MOST_COMMENT - 3]}..." if is_long else comments
    if answer.source.is_lossy is not None:
        image.LossyImageCompression = "01" if answer.source.is_lossy else "00"
    if answer.source.has_burned_text is not None:
        image.BurnedInAnnotation = "YES" if answer.source.has_burned_text else "NO"
    return image


def _reference(picture: SourcePicture) -> Dataset:
    """A source, and its frame, as an item of SourceImageSequence."""
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = SOURCE
    item = Dataset()
    item.ReferencedSOPClassUID = picture.source.about.SOPClassUID
    item.ReferencedSOPInstanceUID = picture.source.about.SOPInstanceUID
    if picture.frame_numbers:
        item.ReferencedFrameNumber = picture.frame_numbers
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item
