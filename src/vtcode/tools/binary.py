"""What a file that is not text is, by its first bytes."""

import re
from collections.abc import Callable
from typing import Final, Literal

_Read = Callable[[bytes], tuple[int, int] | None]

_JPEG_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of the segment that has the size of a JPEG image."""
_MOST_SEGMENTS: Final = 200

_KINDS: Final = (
    (rb"%PDF-", "PDF document"),
    (rb"PK\x03\x04.{26}\[Content_Types\]|PK\x03\x04.{26}_rels/", "Office document"),
    (rb"PK\x03\x04|PK\x05\x06", "ZIP archive"),
    (rb"\x1f\x8b", "gzip archive"),
    (rb"BZh[1-9]", "bzip2 archive"),
    (rb"\xfd7zXZ\0", "xz archive"),
    (rb"\x28\xb5\x2f\xfd", "Zstandard archive"),
    (rb"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (rb".{257}ustar", "tar archive"),
    (rb"\x7fELF", "ELF program or library"),
    (rb"MZ.\0", "Windows program or library"),
    (rb"\xcf\xfa\xed\xfe|\xce\xfa\xed\xfe|\xca\xfe\xba\xbe\0\0\0[\x01-\x14]", "Mach-O program or library"),
    (rb"\xca\xfe\xba\xbe", "Java class"),
    (rb"\0asm", "WebAssembly module"),
    (rb"!<arch>\n", "library archive"),
    (rb"SQLite format 3\0", "SQLite database"),
    (rb"GGUF", "GGUF model"),
    (rb"RIFF.{4}WAVE", "WAV sound"),
    (rb"ID3|\xff[\xf2\xf3\xfa\xfb]", "MP3 sound"),
    (rb"fLaC", "FLAC sound"),
    (rb"OggS", "Ogg sound or film"),
    (rb".{4}ftyp", "MP4 film or sound"),
    (rb"\x1aE\xdf\xa3", "Matroska film"),
    (rb"wOFF|wOF2|OTTO|\0\x01\0\0\0", "font"),
    (rb"II\x2a\0|MM\0\x2a", "TIFF image"),
    (rb"\0\0\x01\0", "icon"),
    (rb".\r\r\n|[\xa0-\xff]\r\r\n", "compiled Python"),
)
"""Beginnings of files, the particular before the general."""


def describe(data: bytes) -> str:
    """Name the kind of a file by its first bytes, with the size of an image: `PNG image, 640×480`; or ``."""
    for begins, kind, read in _IMAGES:
        if re.match(begins, data, re.DOTALL):
            size = read(data)
            return f"{kind} image, {size[0]}×{size[1]}" if size else f"{kind} image"
    return next((kind for begins, kind in _KINDS if re.match(begins, data, re.DOTALL)), "")


def _png(data: bytes) -> tuple[int, int] | None:
    return _numbers(data, 16, 20, 4, "big") if data[12:16] == b"IHDR" else None


def _gif(data: bytes) -> tuple[int, int] | None:
    return _numbers(data, 6, 8, 2, "little")


def _bmp(data: bytes) -> tuple[int, int] | None:
    return _numbers(data, 18, 22, 4, "little")


def _webp(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8X":
            size = _numbers(data, 24, 27, 3, "little")
            return (size[0] + 1, size[1] + 1) if size else None
        case b"VP8 ":
            size = _numbers(data, 26, 28, 2, "little")
            return (size[0] & 0x3FFF, size[1] & 0x3FFF) if size else None
        case b"VP8L" if len(data) >= 25:
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if data[at : at + 1] != b"\xff" or len(data) < at + 9:
            return None
        if data[at + 1] in _JPEG_FRAMES:
            return _numbers(data, at + 7, at + 5, 2, "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _numbers(
    data: bytes, width: int, height: int, count: int, order: Literal["little", "big"]
) -> tuple[int, int] | None:
    """Read two numbers of `count` bytes at these places; None where the file ends before."""
    if len(data) < max(width, height) + count:
        return None
    return int.from_bytes(data[width : width + count], order), int.from_bytes(data[height : height + count], order)


_IMAGES: Final[tuple[tuple[bytes, str, _Read], ...]] = (
    (rb"\x89PNG\r\n\x1a\n", "PNG", _png),
    (rb"GIF8[79]a", "GIF", _gif),
    (rb"\xff\xd8\xff", "JPEG", _jpeg),
    (rb"RIFF.{4}WEBP", "WebP", _webp),
    (rb"BM.{12}[\x0c-\x7c]\0\0\0", "BMP", _bmp),
)
