"""Pictures in a chat request: data URLs, checked by their bytes."""

import base64
import binascii
import re
from typing import Any

from codara.application.ports.agents import Image
from codara.domain.images import MEDIA_TYPES, MOST_BYTES, media_type_of
from codara.errors import BodyTooLarge, InvalidRequest, UnsupportedParameter

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),")
_NAMES = ", ".join(MEDIA_TYPES)


def decode_image(part: dict[str, Any], where: str) -> Image:
    """Returns the picture of an `image_url` part; `where` is the field that errors name.

    UnsupportedParameter for a picture that would have to be fetched, or is not png, jpeg, gif or
    webp; BodyTooLarge above 10 MiB; InvalidRequest for what cannot be read.
    """
    url = _url(part.get("image_url"), where)
    if url[:8].lower().startswith(("http:", "https:")):
        raise UnsupportedParameter(
            f"{where} names a picture elsewhere; send it as a data URL.", param=where
        )
    head = _DATA_URL.match(url)
    if head is None or "base64" not in head[2].lower().split(";"):
        raise InvalidRequest(f"{where} must hold a base64 data URL.", param=where)
    data = _decoded(url, head.end(), where)
    media_type = media_type_of(data)
    if media_type is None:
        raise UnsupportedParameter(f"{where} is none of {_NAMES}.", param=where)
    return Image(media_type, data)


def _url(value: Any, where: str) -> str:
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str):
        raise InvalidRequest(f"{where}.image_url.url must be text.", param=where)
    return url


def _decoded(url: str, start: int, where: str) -> bytes:
    if (len(url) - start) // 4 * 3 > MOST_BYTES + 3:
        raise BodyTooLarge(
            f"{where} is larger than the {MOST_BYTES} bytes a picture may have.", param=where
        )
    try:
        return base64.b64decode(url[start:].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as broken:
        raise InvalidRequest(f"{where} is not valid base64.", param=where) from broken
