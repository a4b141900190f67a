"""A digest in the header of everything that is stored under Object Lock.

S3 refuses a page or a part under a lock without one, and boto3 alone sends its checksum behind the
bytes, over TLS, or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def send_digests(client: S3Client, *, checksum: bool) -> None:
    """Have a client send them from now on.

    Args:
        client: of one place.
        checksum: a CRC-32, as boto3 counts on in the answer; False for the MD5 of older stores.
    """
    add = _add_crc32 if checksum else _add_md5
    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register(f"before-parameter-build.s3.{operation}", add)


def _add_crc32(params: dict[str, Any], **_: object) -> None:
    params["ChecksumAlgorithm"] = "CRC32"
    digest = zlib.crc32(_content(params)).to_bytes(4, "big")
    params["ChecksumCRC32"] = base64.b64encode(digest).decode()


def _add_md5(params: dict[str, Any], **_: object) -> None:
    digest = hashlib.md5(_content(params), usedforsecurity=False).digest()
    params["ContentMD5"] = base64.b64encode(digest).decode()


def _content(params: dict[str, Any]) -> bytes:
    """A page, or one part: boto3 holds it in memory anyway."""
    body = params["Body"]
    if isinstance(body, bytes):
        return body
    content: bytes = body.read()
    body.seek(0)
    return content
