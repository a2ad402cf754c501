"""A chat request as a form: its JSON in one field, and files beside it."""

import asyncio
from typing import Any

import attrs
from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from codara.application.ports.workspaces import Upload
from codara.domain.uploads import MOST, safe_names
from codara.errors import BodyTooLarge, InvalidRequest
from codara.http.body import parsed
from codara.http.errors import too_large
from codara.http.services import SERVICES

FORM = "multipart/form-data"
PAYLOAD_FIELDS = ("payload", "request", "chat_request")
_SECONDS_TO_ARRIVE = 60.0


@attrs.frozen
class UploadForm:
    """The value of the JSON field, and the files, under names that are safe in a folder."""

    body: Any
    uploads: tuple[Upload, ...]


async def read_form(request: web.Request) -> UploadForm:
    """Reads the form into memory.

    BodyTooLarge if all of it is larger than `server.max_body_bytes`, or one file than
    `workspace.max_file_bytes`; InvalidRequest if it is not such a form or takes longer than a
    minute to arrive.
    """
    if (request.content_length or 0) > request.client_max_size:
        raise too_large(request)
    reading = _Reading(request)
    try:
        async with asyncio.timeout(_SECONDS_TO_ARRIVE):
            await reading.read()
    except TimeoutError as late:
        raise InvalidRequest("The form did not arrive within a minute.") from late
    except (ValueError, HttpProcessingError) as broken:
        raise InvalidRequest("The form cannot be read.") from broken
    return reading.form()


class _Reading:
    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._most_of_file = request.app[SERVICES].settings.workspace.max_file_bytes
        self._size = 0
        self._payload: bytes | None = None
        self._files: list[tuple[str, bytes]] = []

    async def read(self) -> None:
        async for part in await self._request.multipart():
            if part is None or isinstance(part, MultipartReader):
                raise InvalidRequest("A form within the form cannot be read.")
            await self._take(part)

    def form(self) -> UploadForm:
        if self._payload is None:
            raise InvalidRequest("The form has no field payload with the request.", param="payload")
        body = parsed(self._payload, "payload", param="payload")
        names = safe_names(name for name, _ in self._files)
        uploads = (
            Upload(name, data, "" if sent == name else sent)
            for name, (sent, data) in zip(names, self._files, strict=True)
        )
        return UploadForm(body, tuple(uploads))

    async def _take(self, part: BodyPartReader) -> None:
        data = await self._whole(part)
        if part.name in PAYLOAD_FIELDS and self._payload is None:
            self._payload = data
        elif part.filename:
            if len(self._files) == MOST:
                raise InvalidRequest(f"A request may bring {MOST} files at most.", param=part.name)
            self._files.append((part.filename, data))

    async def _whole(self, part: BodyPartReader) -> bytes:
        data = bytearray()
        while chunk := await part.read_chunk():
            self._size += len(chunk)
            if self._size > self._request.client_max_size:
                raise too_large(self._request)
            data += chunk
            if part.filename and len(data) > self._most_of_file:
                raise BodyTooLarge(
                    f"A file may have {self._most_of_file} bytes at most.", param=part.name
                )
        return bytes(data)
