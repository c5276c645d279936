"""The table of keys: what a source, a merger and a stream can be told, and what holds if it isn't.

Each field of a class is one key: its name, default, kind of value and meaning stand here and
nowhere else. What is checked, what an error says, what ``m_split --check`` prints and the table
in docs/config.md all follow from it. The fields are the arguments of the methods of
`gmflow.Topology`, and of the strategies in `gmflow.merging`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ..deferred import MAX_THREADS
from ..validation import conn_type_of
from .keys import Section, about
from .kinds import ADDRESS, MAX_QUEUE, SHARE, TEXT, TEXTS, TRUTH, number, one_of, whole

MAX_SECONDS = 3600.0
RATE = number("messages a second", 1e6, above_zero=True)
_RATE = "So many messages a second go out at most, always the newest."

_ADDRESS = about(ADDRESS, "What the socket is bound or connected to.")
_CONN_TYPE = about(
    one_of("bind", "connect"),
    "Whether the address is bound or connected to.",
    "bind for tcp://*:port, else connect",
)
_QUEUE = about(
    whole(0, MAX_QUEUE),
    "ZeroMQ's high-water mark: messages that it queues for each peer; 0 for no limit.",
)
_NAME = about(TEXT, "What the node is called in reports; no other may have it.", "kind and address")
_STREAM_MODE = about(
    one_of("PUSH", "PUB", "TAP"),
    "The kind of socket; TAP is a PUB for viewers, which can never slow the rest down.",
)
_STRATEGY = about(
    one_of("round_robin", "arrival", "by_key"),
    "What goes out next: a message of each source in turn, what comes first, or the messages of"
    " all sources that have one key.",
)


@dataclass(frozen=True)
class SourceConfig:
    """Where messages come from."""

    address: str = field(metadata=_ADDRESS)
    mode: str = field(
        default="PULL",
        metadata=about(one_of("PULL", "SUB"), "The kind of socket; SUB takes every topic."),
    )
    queue_size: int = field(default=100, metadata=_QUEUE)
    conn_type: str = field(default="", metadata=_CONN_TYPE)
    name: str | None = field(default=None, metadata=_NAME)
    step: int | None = field(
        default=None,
        metadata=about(
            whole(1),
            "How much frame or pulse_id grows from message to message, to tell what is missing.",
            "1 for frame, learnt for pulse_id",
        ),
    )
    decode_threads: int = field(
        default=1,
        metadata=about(
            whole(0, MAX_THREADS),
            "Native threads that decode pixels and compressed values, where a sink of the"
            " topology wants them; 0 decodes on the hub.",
        ),
    )

    def __post_init__(self) -> None:
        """Fill in the connection type."""
        _fill(self, conn_type=conn_type_of(self.address))


@dataclass(frozen=True)
class MergeConfig:
    """In which order several streams become one: in turn, or as they come."""

    strategy: str = field(default="round_robin", metadata=_STRATEGY)


@dataclass(frozen=True)
class ByKeyConfig:
    """How messages with one key are found in several streams."""

    strategy: str = field(default="by_key", metadata=_STRATEGY)
    key: str = field(
        default="pulse_id",
        metadata=about(TEXT, "The number in the header that matching messages have in common."),
    )
    window: int = field(
        default=32,
        metadata=about(whole(1), "How many messages of each source may wait for the others."),
    )
    patience: float = field(
        default=1.0,
        metadata=about(number("seconds", MAX_SECONDS), "How long a message may wait."),
    )
    complete: bool = field(
        default=True,
        metadata=about(
            TRUTH, "Whether only keys that every source sent go out; others count as unmatched."
        ),
    )
    flatten: bool = field(
        default=False,
        metadata=about(
            TRUTH,
            "Whether the messages of a key go out one after the other, unchanged,"
            " not as one of htype merged-1.0.",
        ),
    )


@dataclass(frozen=True)
class OutputConfig:
    """Where messages go, and which."""

    address: str = field(metadata=_ADDRESS)
    mode: str = field(default="PUSH", metadata=_STREAM_MODE)
    queue_size: int = field(default=100, metadata=_QUEUE)
    conn_type: str = field(default="", metadata=_CONN_TYPE)
    name: str | None = field(default=None, metadata=_NAME)
    modulo: int = field(
        default=1,
        metadata=about(
            whole(1, as_text=True), "n: only the n-th message goes out, the 2n-th and so on."
        ),
    )
    offset: int = field(
        default=0,
        metadata=about(
            whole(0), "With modulo n: message k, counted from 1, goes out if k modulo n is this."
        ),
    )
    htypes: tuple[str, ...] | None = field(
        default=None,
        metadata=about(TEXTS, "Only messages of one of these htypes go out.", "all"),
    )
    share: tuple[int, int] | None = field(
        default=None,
        metadata=about(
            SHARE,
            "The i-th of n equal shares, counted from 0; together they are everything.",
            "everything",
        ),
    )
    block: int = field(
        default=1,
        metadata=about(whole(1), "With share: so many messages in a row are in one share."),
    )
    series: bool = field(
        default=False,
        metadata=about(
            TRUTH,
            "Whether header and end of an Eiger series always go out, and its images alone count.",
        ),
    )
    when_full: str = field(
        default="",
        metadata=about(
            one_of("block", "drop_newest", "drop_oldest"),
            "What to do when the receivers are slower: wait, or drop and count.",
            "block for PUSH, drop_newest for PUB",
        ),
    )
    rate: float | None = field(
        default=None,
        metadata=about(RATE, _RATE, "no limit"),
    )

    def __post_init__(self) -> None:
        """Fill in the connection type and the policy."""
        policy = "drop_newest" if self.mode == "PUB" else "block"
        _fill(self, conn_type=conn_type_of(self.address), when_full=policy)


@dataclass(frozen=True)
class TapConfig:
    """Where viewers get the newest messages."""

    address: str = field(metadata=_ADDRESS)
    mode: str = field(default="TAP", metadata=_STREAM_MODE)
    queue_size: int = field(default=10, metadata=_QUEUE)
    conn_type: str = field(default="", metadata=_CONN_TYPE)
    name: str | None = field(default=None, metadata=_NAME)
    rate: float = field(
        default=20.0,
        metadata=about(RATE, _RATE),
    )

    def __post_init__(self) -> None:
        """Fill in the connection type."""
        _fill(self, conn_type=conn_type_of(self.address))


StreamConfig: TypeAlias = OutputConfig | TapConfig

SOURCE = Section("mode", {"PULL": SourceConfig, "SUB": SourceConfig})
MERGE = Section(
    "strategy", {"round_robin": MergeConfig, "arrival": MergeConfig, "by_key": ByKeyConfig}
)
OUTPUT = Section("mode", {"PUSH": OutputConfig, "PUB": OutputConfig, "TAP": TapConfig})


def _fill(config: object, **values: str) -> None:
    for name, value in values.items():
        if not getattr(config, name):
            object.__setattr__(config, name, value)
