"""raw-1.0: a JSON header, then parts that are left as they are.

Value: ``{"header": dict, "data": [bytes or None, ...]}``, as in mflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import EncodeError
from ..jsonwire import dumps
from ..message import Part
from ..receiver import Receiver


def receive(receiver: Receiver) -> dict[str, Any]:
    """Read one message.

    Returns
    -------
    dict
        ``header``: the JSON object of part 0; ``data``: a list of the further parts (bytes,
        or memoryviews where the stream was opened with ``copy=False``), None for an empty one.
    """
    header = receiver.next(as_json=True)
    data = []
    while receiver.has_more():
        segment = receiver.next()
        data.append(segment if len(segment) else None)
    return {"header": header, "data": data}


def encode(value: dict[str, Any]) -> list[Part]:
    """Return the parts of a message: the inverse of `receive`.

    Raises
    ------
    EncodeError
        If ``header`` or ``data`` is missing.
    """
    header, data = header_and_data(value, "a raw-1.0", "bytes")
    return [header, *(b"" if part is None else part for part in data)]


def header_and_data(value: Any, what: str, segments: str) -> tuple[bytes, Sequence[Any]]:
    """Return the header of a value as JSON, and its data; EncodeError if one is missing."""
    try:
        header, data = value["header"], value["data"]
    except (KeyError, TypeError) as error:
        raise EncodeError(f"{what} value needs {error}") from None
    if not isinstance(data, (list, tuple)):
        raise EncodeError(f"data is {type(data).__name__}; it must be a list of {segments}")
    return dumps(header), data
