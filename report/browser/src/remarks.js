// What a file declares of its picture and the grey pixels do not show; data/remarks.py.
//
// Each as [what one is, what many are, what was made of it].

export const REMARKS = {
  coloured: [
    "is in colour",
    "are in colour",
    "its brightness is taken as grey, also that of false colours and of drawings; export it in " +
      "grey if that is wrong",
  ],
  subtracted: [
    "is a DICOM run that viewers show subtracted (RecommendedViewingMode SUB)",
    "are DICOM runs that viewers show subtracted (RecommendedViewingMode SUB)",
    "taken as it is stored",
  ],
  beside: [
    "is DICOM with colours beside its grey (PixelPresentation)",
    "are DICOM with colours beside their grey (PixelPresentation)",
    "its grey alone is taken",
  ],
  text: [
    "is DICOM that says of itself that text is burned in (BurnedInAnnotation)",
    "are DICOM that says of itself that text is burned in (BurnedInAnnotation)",
    "a model may react to it",
  ],
  scout: [
    "is a DICOM localizer (ImageType)",
    "are DICOM localizers (ImageType)",
    "taken as any other",
  ],
  overlay: [
    "is DICOM with overlays, such as drawings and text (60xx,3000)",
    "are DICOM with overlays, such as drawings and text (60xx,3000)",
    "they are not shown",
  ],
  window: [
    "is CT that names no window",
    "are CT that name no window",
    "shown at centre 300 and width 800 HU",
  ],
  alone: [
    "is DICOM with negative, rescaled or inverted values and names no window",
    "are DICOM with negative, rescaled or inverted values and name no window",
    "it runs from its own least to its own greatest value, so the same value is not the same grey",
  ],
  oblong: [
    "has pixels that are not square",
    "have pixels that are not square",
    "they are taken for square, so what it shows is distorted",
  ],
  depth: [
    "has more than 8 bits, and the model records no scale for them",
    "have more than 8 bits, and the model records no scale for them",
    "divided by the full scale of its own bits",
  ],
  above: [
    "has values above the white of training",
    "have values above the white of training",
    "all of these are white",
  ],
  narrow: [
    "is very long and narrow",
    "are very long and narrow",
    "little is left of its shorter edge",
  ],
  outlier: [
    "has a patch token far longer than usual",
    "have a patch token far longer than usual",
    "attention gathers on such tokens whatever the picture shows",
  ],
  mask: [
    "may be a mask, by its name",
    "may be masks, by their names",
    "a mask is no picture, and what is said of one means nothing",
  ],
  untold: [
    "is not compared with the images of training",
    "are not compared with the images of training",
    "this browser gives the page no sha256; open the page from disk",
  ],
  trained: ["was in training", "were in training", "the prediction looks too good"],
};
