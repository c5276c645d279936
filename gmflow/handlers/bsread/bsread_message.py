"""A message of bsread, and its values: what is read of bsr_m-1.0 and bsr_m-1.1, and sent.

They have the attributes of psi-bsread's messages and values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...jsonwire import JsonText, dumps, loads, loads_text
from ...message import Part
from .data_header import BsreadLayout, make_layout, pack


@dataclass(slots=True, eq=False, repr=False)
class Value:
    """What one channel says in one message.

    Attributes
    ----------
    value : object
        A NumPy scalar where the channel's shape is [1], a str for strings, else a read-only
        array in NumPy's order of dimensions and in the channel's byte order. None if the
        channel has no value at this pulse. A compressed value can also be an empty str, or an
        array of shape [0] whatever the channel's shape.
    timestamp : int or None
        Seconds since 1970.
    timestamp_offset : int or None
        Nanoseconds on top.
    """

    value: Any = None
    timestamp: int | None = None
    timestamp_offset: int | None = None

    def __repr__(self) -> str:
        return f"Value({self.value!r}, {self.timestamp}, {self.timestamp_offset})"


class BsreadMessage:
    """One message of bsread: the values of some channels at one pulse.

    Parameters
    ----------
    pulse_id, global_timestamp, global_timestamp_offset, hash, data
        See the attributes; all that a message to be sent needs is `pulse_id` and `data`.
    header : dict, optional
        The main header; its htype says which version is written, bsr_m-1.1 by default, and its
        ``dh_compression`` how the data header is compressed.
    data_header : dict, optional
        What describes the channels; derived from the values by default.
    layout : BsreadLayout, optional
        The data header as a reader holds it, instead of `data_header`.

    Attributes
    ----------
    pulse_id : int
    global_timestamp : int or None
        As sent: seconds since 1970; milliseconds where the header calls it "ms", and from
        senders before 2015-08-24.
    global_timestamp_offset : int or None
        Nanoseconds on top.
    hash : object
        What the sender put there to tell data headers apart, mostly the md5 of part 1.
    data : dict of str to Value
        By channel name, in the order of the data header. In a message to be sent a bare value
        does instead of a `Value`.
    header : dict
        The main header.
    format_changed : bool
        Whether the data header is another one than the last message's. If the values of the
        first message with a new one can't be decompressed, no message says so: compare `hash`.
    trailing_part : bool
        Whether one more, empty part ends the message, as servers of 2015 sent it.
    omits_data_header : bool
        Whether part 1 is empty, as the receiver knows the data header.
    compressed : dict of str to tuple
        Of each channel that came compressed its value and its part, which is sent again as long
        as the value in `data` is that one.
    """

    def __init__(
        self,
        pulse_id: int | None = None,
        global_timestamp: int | None = None,
        global_timestamp_offset: int | None = None,
        hash: Any = None,
        data: Mapping[str, Any] | None = None,
        *,
        header: dict[str, Any] | None = None,
        data_header: dict[str, Any] | None = None,
        layout: BsreadLayout | None = None,
    ) -> None:
        self.pulse_id = pulse_id
        self.global_timestamp = global_timestamp
        self.global_timestamp_offset = global_timestamp_offset
        self.hash = hash
        self.data: dict[str, Any] = dict(data or {})
        self.header: dict[str, Any] = {"htype": "bsr_m-1.1"} if header is None else header
        self.format_changed = False
        self.trailing_part = False
        self.omits_data_header = False
        self._data_header = data_header
        self._layout = layout
        self.compressed: dict[str, tuple[Any, Part]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the parts as received: a copy's values can be changed in place."""
        return {**self.__dict__, "compressed": {}}

    @property
    def data_header(self) -> dict[str, Any] | None:
        """The data header, this message's own: it can be changed, or set to None.

        None, in a message to be sent, has it derived from the values.
        """
        if self._data_header is None and self._layout is not None:
            self._data_header = loads_text(self._layout.text)
        return self._data_header

    @data_header.setter
    def data_header(self, header: dict[str, Any] | None) -> None:
        self._data_header = header
        self._layout = None

    def layout(self) -> BsreadLayout | None:
        """Return the layout of `data_header`: the one received, if nobody changed it.

        Raises
        ------
        TypeError, ValueError, DecodeError, EncodeError
            If the data header was changed to something that describes no channels.
        """
        header, layout = self._data_header, self._layout
        compression = self.header.get("dh_compression")
        if header is not None and (layout is None or not _says(header, layout.text)):
            same = isinstance(header, JsonText) and _says(header, header.text)
            text: bytes = header.text if same else dumps(header)  # type: ignore[attr-defined]
            return make_layout(text, self.header.get("htype") == "bsr_m-1.0", compression)
        if layout is None or self.omits_data_header or layout.compression == compression:
            return layout
        return pack(layout.text, layout.channels, compression)

    def __repr__(self) -> str:
        return f"<BsreadMessage of pulse {self.pulse_id}, {len(self.data)} channels>"


def _says(header: dict[str, Any], text: bytes) -> bool:
    return dumps(loads(text)) == dumps(header)
