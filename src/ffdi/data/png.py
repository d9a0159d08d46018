"""Remove the metadata of a PNG, so that damage in them does not cost the image."""

import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIECE = 1 << 20  # bytes
_END = b"\0\0\0\0IEND\xaeB`\x82"
# Chunks that decide the pixels (the last three: of which frame), and the one for the orientation, read with care later.
_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT", b"eXIf"})


def without_metadata(data: bytes) -> bytes | None:
    """Return the PNG without text, profiles and whatever follows its end; None for bytes that are no PNG."""
    if not data.startswith(SIGNATURE):
        return None
    return SIGNATURE + b"".join(_kept(data)) + _END


def _is_whole(stream: bytes) -> bool:
    """Return whether a zlib stream has its end; the pixels are thrown away piece by piece."""
    decompress, rest = zlib.decompressobj(), stream
    try:
        while rest and not decompress.eof:
            decompress.decompress(rest, PIECE)
            rest = decompress.unconsumed_tail
    except zlib.error:
        return False
    return decompress.eof


def _kept(data: bytes) -> Iterator[bytes]:
    position, pixels = len(SIGNATURE), b""
    while position + 8 <= len(data):
        kind = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        body = data[position + 8 : end - 4]
        pixels += body if kind == b"IDAT" else b""
        if kind == b"IEND":
            return
        if end > len(data):  # the file was cut here; pixels that are all there are used
            if kind == b"IDAT" and _is_whole(pixels):
                yield len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
            return
        if kind in _KEPT:
            yield data[position:end]
        position = end
