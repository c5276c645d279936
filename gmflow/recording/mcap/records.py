"""What writing and reading of MCAP files share: the layouts of the records that are read and
written by the thousand, and the library, which does all others (https://mcap.dev/spec).

A record is its opcode (1 byte), the length of its content (8) and its content. All numbers are
little endian.
"""

from __future__ import annotations

from io import BytesIO
from struct import Struct
from struct import error as StructError
from types import ModuleType
from typing import Any

from ...errors import RecordingError

MAGIC = b"\x89MCAP0\r\n"
"""How every file begins and, if it was finished, ends."""

FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 0x02, 0x03, 0x04, 0x05, 0x06
MESSAGE_INDEX, CHUNK_INDEX, STATISTICS, DATA_END = 0x07, 0x08, 0x0B, 0x0F

RECORD = Struct("<BQ")
"""Opcode, length: how every record begins."""

MESSAGE_RECORD = Struct("<BQHIQQ")
"""Opcode, length, channel, sequence, log time, publish time; the message's data follow."""

CHUNK_RECORD = Struct("<BQQQQIIQ")
"""Opcode, length, first and last time, size, CRC, no compression (an empty text), size: how an
uncompressed chunk begins; its records follow."""

CHUNK_FIELDS = Struct("<QQQII")
"""First and last time, size, CRC, bytes of the compression's name; then it, size, records."""

INDEX_RECORD = Struct("<BQHI")
"""Opcode, length, channel, bytes of the entries: how a message index begins."""

FOOTER_RECORD = Struct("<BQQQ")
"""Opcode, length, where the summary and its offsets begin: what comes before the checksum."""

ENTRY = 16
"""Bytes of a message in a message index: its time, and where it is in its chunk."""

ENCODING = "cbor"
FORMAT = "gmflow message 1"


def records() -> ModuleType:
    """Give the library's classes of records.

    Raises
    ------
    RecordingError
        If it is not installed.
    """
    try:
        from mcap import records
    except ImportError as missing:
        raise RecordingError(
            f".mcap files need the library mcap ({missing}): pip install 'gmflow[mcap]'"
        ) from None
    return records


def pack(*items: Any) -> bytes:
    """Give records of the library as the bytes that they are in a file."""
    from mcap.data_stream import RecordBuilder

    builder: Any = RecordBuilder()
    for item in items:
        item.write(builder)
    packed: bytes = builder.end()
    return packed


def unpack(kind: Any, content: bytes) -> Any:
    """Give the content of a record as an object of the library's class for it.

    Raises
    ------
    ValueError
        If it is none.
    """
    from mcap.data_stream import ReadDataStream
    from mcap.exceptions import McapError

    try:
        return kind.read(ReadDataStream(BytesIO(content)))
    except (McapError, StructError) as error:
        raise ValueError(f"it is no {kind.__name__}") from error
