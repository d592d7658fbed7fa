"""What the compressed pixels of a file say about themselves, before a decoder believes it."""

import struct
from dataclasses import dataclass

# JPEG and JPEG-LS: T.81 table B.1, T.87 table C.1
SEGMENTS = (*range(0xC0, 0xD0), 0xDB, 0xDD, *range(0xE0, 0xFA), 0xFE)  # before the scan
FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
SCAN = 0xDA
# JPEG 2000: T.800 annex A
START = b"\xff\x4f\xff\x51"  # of a codestream, then of its sizes
CODING = 0x52
TILE = 0x90
LEAST_BLOCK = 8  # log2 of the pixels in the smallest code block that encoders make
LEAST_PRECINCT = 4  # log2 of the edge of the smallest precinct


@dataclass(frozen=True)
class Frame:
    """Size of the picture that a decoder would make; ``bits`` is 0 where it does not matter."""

    bits: int
    height: int
    width: int
    channels: int


def jpeg_frame(code: bytes) -> Frame:
    """What a JPEG or JPEG-LS says. ValueError: its header is damaged."""
    place = 2
    frame = Frame(0, 0, 0, 0)
    while code[place + 1 : place + 2] != bytes([SCAN]):
        marker = code[place + 1] if place + 1 < len(code) else 0
        if code[place] != 0xFF or marker not in SEGMENTS:
            raise ValueError("the header of its JPEG is damaged")
        if marker in FRAME_HEADERS:
            frame = Frame(*struct.unpack_from(">BHHB", code, place + 4))
        place += 2 + int.from_bytes(code[place + 2 : place + 4], "big")
        if place + 1 >= len(code):
            raise ValueError("the header of its JPEG is damaged")
    if code[place] != 0xFF:
        raise ValueError("the header of its JPEG is damaged")
    return frame


def jpeg_2000_frame(code: bytes) -> Frame:
    """What a JPEG 2000 says. ValueError: it is damaged, or costs more than its pixels need."""
    place = code.find(START)
    if place < 0:
        raise ValueError("the header of its JPEG 2000 is damaged")
    numbers = struct.unpack_from(">8IH", code, place + 8)
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, channels = numbers
    if min(tile_width, tile_height) == 0:
        raise ValueError("the header of its JPEG 2000 is damaged")
    columns = -(-(right - tile_left) // tile_width)
    rows = -(-(bottom - tile_top) // tile_height)
    if rows * columns > 1 + len(code) // 12:  # each has a header of 12 bytes
        raise ValueError(f"its JPEG 2000 has {rows * columns} tiles in {len(code)} bytes")
    _check_coding(code, place + 2)
    return Frame(0, bottom - top, right - left, channels)


def _check_coding(code: bytes, place: int) -> None:
    """ValueError: blocks or precincts so small that they alone would fill the memory."""
    while place + 14 < len(code) and code[place + 1] != TILE:
        length = int.from_bytes(code[place + 2 : place + 4], "big")
        if code[place] != 0xFF or length < 2:
            raise ValueError("the header of its JPEG 2000 is damaged")
        if code[place + 1] == CODING:
            block = code[place + 10] + code[place + 11] + 4
            precincts = code[place + 14 : place + 2 + length] if code[place + 4] & 1 else b""
            edges = [edge for pair in precincts[1:] for edge in (pair & 15, pair >> 4)]
            if block < LEAST_BLOCK or min(edges, default=15) < LEAST_PRECINCT:
                raise ValueError("its JPEG 2000 is cut into too small blocks")
        place += 2 + length
