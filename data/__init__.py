"""From folders of coronary images to batches: reading, preparing, splitting, phantoms. Code only,
no images.
"""
