"""Which parts can be recorded: flat buffers of bytes, whose ``len`` is their size.

Others, such as a view of 16-bit numbers or of every second byte, have no bytes one after the
other, or more of them than their length says.
"""

from __future__ import annotations

from ..message import Part


class Unfit(ValueError):
    """A message can't be recorded; the text says why."""


def flat_types() -> set[type]:
    """Give a set for `view_of` to add to; it has bytes, which the fast paths look for."""
    return {bytes}


def view_of(part: Part, flat: set[type]) -> Part:
    """Give a part whose type is not known to be flat, if it is flat.

    Parameters
    ----------
    part : bytes-like
        The part.
    flat : set of type
        Types of which all parts are flat. ZeroMQ's frames are added when they are seen; views
        and arrays never, as each of them is different.

    Returns
    -------
    bytes-like
        A frame as it is, else a view, which keeps it from being resized or closed.

    Raises
    ------
    Unfit
        If it isn't flat.
    """
    kind = type(part)
    if _is_frame(kind):
        flat.add(kind)
        return part
    try:
        view = memoryview(part)
        if view.c_contiguous and view.nbytes == len(part):
            return view
    except (TypeError, ValueError, BufferError):
        pass
    raise Unfit(f"a part is no flat buffer of bytes, but of type {kind.__name__}")


def kept_of(part: Part, flat: set[type]) -> Part:
    """Give a part that is kept for a while, as `view_of`; a copy of what may change meanwhile.

    The memory of frames could be written to, but not without a receiver who works in place: they
    are not copied.
    """
    part = view_of(part, flat)
    if type(part) in flat or part.readonly or _is_frame(type(part.obj)):
        return part
    return bytes(part)


def _is_frame(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "zmq"
