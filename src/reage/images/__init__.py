"""Picture files, arrays and tensors: the only place where files, Pillow and value ranges meet.

    file -> Photo (uint8 or uint16 RGB, upright) -> rgb8 uint8 [H, W, 3] -> float32 in [-1, 1]

photo.py holds the types, reading.py and decoding.py make a Photo of a file, encoding.py and
writing.py a file of a Photo, metadata.py what goes along with the pixels.
"""

from reage.images.encoding import encode_photo
from reage.images.metadata import DIGITAL_SOURCE_TYPE
from reage.images.photo import (
    JpegTables,
    Photo,
    as_srgb,
    photo_from_array,
    to_array,
    to_depth,
    to_tensor,
)
from reage.images.reading import decode_photo, read_mark, read_photo
from reage.images.writing import WrittenFile, check_target, save_array, write_photo

__all__ = [
    "DIGITAL_SOURCE_TYPE",
    "JpegTables",
    "Photo",
    "WrittenFile",
    "as_srgb",
    "check_target",
    "decode_photo",
    "encode_photo",
    "photo_from_array",
    "read_mark",
    "read_photo",
    "save_array",
    "to_array",
    "to_depth",
    "to_tensor",
    "write_photo",
]
