"""Made-up images: CT reformations and X-ray angiograms with their lesions."""
