"""
Tokens of images in a prompt.

Source: OpenAI, "Images and vision", section "Calculating costs".
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .._json import is_object


class TileRule(NamedTuple):
    """Tokens of an image, and of each of its tiles of 512 x 512 pixels."""

    base: int
    tile: int


_TILES: Final[Mapping[str, TileRule]] = {
    "gpt-4o-mini": TileRule(2833, 5667),
    "gpt-4o": TileRule(85, 170),
    "gpt-4.1": TileRule(85, 170),
    "gpt-4.5": TileRule(85, 170),
    "gpt-5": TileRule(70, 140),
    "o1": TileRule(75, 150),
    "o3": TileRule(75, 150),
}
# Their tokens are patches of 32 x 32 pixels, times a factor.
_PATCHES: Final[Mapping[str, float]] = {
    "gpt-4.1-mini": 1.62,
    "gpt-4.1-nano": 2.46,
    "gpt-5-mini": 1.62,
    "gpt-5-nano": 2.46,
    "o4-mini": 1.72,
}
_MAX_PATCHES: Final = 1536
_VERSION: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}|latest)$")
_DATA_URL: Final = re.compile(r"data:image/[a-z+.-]+;base64,", re.IGNORECASE)
# An image has its size in its first bytes; a JPEG has it after its metadata.
_HEAD: Final = 256 * 1024
_PNG: Final = re.compile(rb"\x89PNG\r\n\x1a\n.{8}(.{4})(.{4})", re.DOTALL)
_GIF: Final = re.compile(rb"GIF8[79]a(..)(..)", re.DOTALL)
_JPEG_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def count_image(model: str, image: Any) -> int | None:
    """
    Return the tokens of an `image_url` of a message, or None if they are unknown.

    The model must have a published rule, and the image must have a `detail` of "low" or "high". For
    "high" the image itself must be in the URL, as base64.
    """
    if not is_object(image):
        return None
    name = _VERSION.sub("", model)
    detail = image.get("detail")
    if name in _TILES and detail == "low":
        return _TILES[name].base
    size = _read_size(str(image.get("url"))) if detail == "high" else None
    if size is None or not all(size):
        return None
    if name in _TILES:
        return _count_tiles(_TILES[name], *size)
    return _count_patches(_PATCHES[name], *size) if name in _PATCHES else None


def _count_tiles(rule: TileRule, width: int, height: int) -> int:
    scale = min(1.0, 2048 / max(width, height))
    width, height = _scale(width, scale), _scale(height, scale)
    scale = min(1.0, 768 / min(width, height))
    width, height = _scale(width, scale), _scale(height, scale)
    return rule.base + rule.tile * math.ceil(width / 512) * math.ceil(height / 512)


def _scale(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def _count_patches(factor: float, width: int, height: int) -> int:
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    if patches > _MAX_PATCHES:
        # The image is scaled down to the most patches, then to a full number of them in a row.
        scale = math.sqrt(_MAX_PATCHES * 32 * 32 / (width * height))
        across, down = width * scale / 32, height * scale / 32
        scale *= min(max(1, math.floor(across)) / across, max(1, math.floor(down)) / down)
        patches = math.ceil(width * scale / 32) * math.ceil(height * scale / 32)
    return math.ceil(min(patches, _MAX_PATCHES) * factor)


def _read_size(url: str) -> tuple[int, int] | None:
    """Return the width and height of a PNG, GIF or JPEG image in a data URL, or None."""
    start = _DATA_URL.match(url)
    if start is None:
        return None
    text = url[start.end() : start.end() + _HEAD]
    try:
        head = binascii.a2b_base64(text[: len(text) // 4 * 4])
    except ValueError:  # not base64
        return None
    if match := _PNG.match(head):
        return int.from_bytes(match[1]), int.from_bytes(match[2])
    if match := _GIF.match(head):
        return int.from_bytes(match[1], "little"), int.from_bytes(match[2], "little")
    return _read_jpeg_size(head) if head.startswith(b"\xff\xd8") else None


def _read_jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Return the size in the first frame header of a JPEG; segments with metadata precede it."""
    start = 2
    while start + 9 <= len(head) and head[start] == 0xFF:
        if head[start + 1] in _JPEG_FRAMES:
            return (
                int.from_bytes(head[start + 7 : start + 9]),
                int.from_bytes(head[start + 5 : start + 7]),
            )
        start += 2 + int.from_bytes(head[start + 2 : start + 4])
    return None
