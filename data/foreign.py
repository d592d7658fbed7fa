"""Files that hold pictures in a form that is not read: other formats, films, volumes, archives."""

from pathlib import Path

FOREIGN = (
    "which hold pictures in a format that is not read, such as GIF, HEIC, films, volumes and "
    "archives: convert or unpack them"
)
# pictures, films, volumes, arrays, archives
SUFFIXES = {".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".psd"}
SUFFIXES |= {".pgm", ".ppm", ".pnm", ".pbm", ".tga", ".raw", ".dng", ".cr2", ".nef", ".exr"}
SUFFIXES |= {".mp4", ".avi", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg", ".webm", ".m4v"}
SUFFIXES |= {".nii", ".mha", ".mhd", ".nrrd", ".nhdr", ".img", ".hdr", ".vtk", ".vti", ".svs"}
SUFFIXES |= {".npz", ".mat", ".h5", ".hdf5", ".parquet", ".tfrecord", ".tfrecords"}
SUFFIXES |= {".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}
FIRST_BYTES = (b"GIF87a", b"GIF89a", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"PK\3\4", b"\x1f\x8b")
FILMS = b"ftyp"  # of HEIC, AVIF, MP4 and MOV, behind a length of four bytes
# archives without pictures of their own
OTHERS = {".docx", ".pptx", ".xlsx", ".xlsm", ".odt", ".ods", ".jar", ".whl"}


def is_foreign(path: Path) -> bool:
    """Whether a file that is no image of a known kind holds pictures, by its name or content."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return True
    if suffix in OTHERS:
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(FIRST_BYTES) or start[4:8] == FILMS
