"""Bodies and headers of the vendor's replies, read within bounds."""

from __future__ import annotations

import zlib
from email.utils import parsedate_to_datetime

import aiohttp

from pandas_numberactive._core.protocol import MAX_BODY


async def bounded_body(response: aiohttp.ClientResponse) -> bytes:
    """Read the body, or nothing where it is longer than any answer of the vendor."""
    length = response.headers.get("Content-Length", "")
    if (
        length.isdigit() and len(length) < 9 and int(length) <= MAX_BODY
    ):  # the parser ends the body there
        return await response.read()
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            response.close()
            return b""
        chunks.append(chunk)
    return b"".join(chunks)


def plain_body(body: bytes, encoding: str) -> bytes:
    """Undo gzip or deflate, within the same bound; what cannot be read is no body."""
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        return b""
    for wbits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        try:
            plain = zlib.decompressobj(wbits).decompress(body, MAX_BODY + 1)
        except zlib.error:
            continue
        return plain if len(plain) <= MAX_BODY else b""
    return b""


def read_retry_after(value: str, now: float) -> float | None:
    """Read Retry-After, in seconds or as a date; None where it is neither."""
    text = value.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
