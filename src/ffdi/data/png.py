"""Take the metadata out of a PNG, so that what is broken in them does not cost the image."""

from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
# Chunks that decide the pixels (the last three: of which frame), and the one for the orientation, read with care later.
_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT", b"eXIf"})


def without_metadata(data: bytes) -> bytes | None:
    """Return the PNG without text, profiles and whatever follows its end; None for bytes that are no PNG."""
    if not data.startswith(SIGNATURE):
        return None
    return SIGNATURE + b"".join(_kept(data)) + _END


def _kept(data: bytes) -> Iterator[bytes]:
    position = len(SIGNATURE)
    while position + 8 <= len(data):
        kind = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if kind == b"IEND":
            return
        if kind in _KEPT:
            yield data[position:end]
        position = end
