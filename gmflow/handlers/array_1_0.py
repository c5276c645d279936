"""array-1.0: a JSON header, then one part for each array of the header's type and shape.

Value: ``{"header": dict, "data": [numpy.ndarray or None, ...]}``, as in mflow.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..errors import DecodeError, EncodeError
from ..message import Part
from ..receiver import Receiver
from ..validation import shown
from .raw_1_0 import header_and_data
from .shapes import layout, view_array


def receive(receiver: Receiver) -> dict[str, Any]:
    """Read one message.

    Returns
    -------
    dict
        ``header``: the JSON object of part 0; ``data``: a list with an array for each further
        part, read-only, with the dtype and the C-order shape of the header (slowest first);
        None for an empty part where the shape is not empty.

    Raises
    ------
    DecodeError
        If type or shape is missing, unknown, negative, or doesn't fit the bytes.
    """
    header, parts = receiver.whole()
    try:
        name, shape = header["type"], header["shape"]
    except KeyError as error:
        raise DecodeError(f"the array-1.0 header has no {error}") from None
    if type(shape) is not list:
        raise DecodeError(f"shape {shown(shape)} is not a list")
    data = []
    known, dtype = receiver.layout
    for part in parts:
        if (name, shape, len(part)) != known:
            known, dtype = (name, [*shape], len(part)), layout(name, shape, len(part))
            data.append(None if dtype is None else view_array(part, dtype, shape))
            receiver.layout = known, dtype
        elif dtype is None:
            data.append(None)
        else:  # as `view_array`, which has tried it with the last one
            array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, part)
            array.setflags(False)  # type: ignore[call-arg]
            data.append(array)
    return {"header": header, "data": data}


def encode(value: dict[str, Any]) -> list[Part]:
    """Return the parts of a message.

    Parameters
    ----------
    value : dict
        ``header`` and ``data`` as `receive` returns them; a segment may also be bytes.

    Returns
    -------
    list of bytes-like
        The header, then a part for each segment: its bytes in C order, not copied where the
        array is contiguous.

    Raises
    ------
    EncodeError
        If ``header`` or ``data`` is missing.
    """
    header, data = header_and_data(value, "an array-1.0", "arrays or bytes")
    return [header, *map(_segment, data)]


def _segment(segment: Any) -> Part:
    if segment is None:
        return b""
    if isinstance(segment, np.ndarray) and not segment.dtype.hasobject:
        try:
            return memoryview(cast("bytes", segment)).cast("B")
        except (TypeError, ValueError):  # it is not contiguous, empty, or of times
            return np.ascontiguousarray(segment).reshape(-1).view(np.uint8).data
    if isinstance(segment, (bytes, bytearray, memoryview)):
        return segment
    raise EncodeError(
        f"a segment is {type(segment).__name__}; it can be an array of numbers or bytes"
    )
