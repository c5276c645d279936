"""The table of settings: what each node of a topology can be told, and what holds if it isn't.

Each field of a class is one setting: its name, default, kind of value and meaning stand here and
nowhere else. The fields are the keys of a configuration file and the arguments of the methods of
`gmflow.Topology`, which are checked by it alike. What an error says, what ``m_split --check``
prints and the table in docs/config.md all follow from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

import zmq

from ..deferred import MAX_THREADS
from ..validation import (
    ADDRESS,
    ANY_ADDRESS,
    FUNCTION,
    HANDLERS,
    MESSAGES,
    PATH,
    SHARE,
    TEXT,
    TEXT_OR_FUNCTION,
    TEXTS,
    TOPICS,
    TRUTH,
    VALUES,
    Kind,
    conn_type_of,
    contradict,
    number,
    one_of,
    whole,
)

if TYPE_CHECKING:
    from ..message import Part
    from ..receiver import Handler

MAX_QUEUE = 2**31 - 1
"""ZeroMQ keeps high-water marks and lingers as 32-bit integers."""

MAX_WINDOW = 2**31
MAX_SECONDS = 3600.0
MAX_RATE = 1e6


@dataclass(frozen=True)
class Setting:
    """What is to be known of a setting beside its name."""

    key: Kind | None  # in a file; None where it is an argument in Python alone
    argument: Kind
    optional: bool  # as an argument it can be None: as by default, or without a limit
    fixed: Any = MISSING  # its default; MISSING where it must be given
    means: str = ""
    default: str = ""  # what holds without it, in words, where that is no fixed value

    def check(self, name: str, value: Any) -> Any:
        """Return a value of a file as the program uses it, or raise ConfigError."""
        assert self.key is not None
        return self.key.check(name, value)

    def check_argument(self, name: str, value: Any) -> Any:
        """Return an argument as the program uses it, or raise ConfigError."""
        return None if value is None and self.optional else self.argument.check(name, value)

    def is_given(self, value: Any) -> bool:
        """Return True if a value is not what holds by default."""
        return value is not None and (self.fixed is MISSING or bool(value != self.fixed))


def settings_of(config: type) -> dict[str, Setting]:
    """Return the settings of a class whose every field is one, by name."""
    return {one.name: one.metadata["setting"] for one in fields(config)}


def keys_of(config: type) -> dict[str, Setting]:
    """Return those settings of a class that are keys of a file."""
    return {name: one for name, one in settings_of(config).items() if one.key is not None}


@dataclass(frozen=True)
class Section:
    """A section of a file, whose keys depend on the value of one of them.

    It iterates over the names of all its keys.
    """

    chooser: str  # that one key; without it the first of its values holds
    classes: Mapping[str, type]  # that hold the keys, for each of its values

    def __iter__(self) -> Iterator[str]:
        return iter({name: None for one in self.classes.values() for name in keys_of(one)})

    def holders(self, name: str) -> list[str]:
        """Return the chooser's values under which there is a key of this name."""
        return [value for value, one in self.classes.items() if name in keys_of(one)]


def _key(
    kind: Kind,
    means: str,
    fixed: Any = MISSING,
    default: str = "",
    argument: Kind | None = None,
    optional: bool = False,
) -> Any:
    optional = optional or fixed in (None, "")
    setting = Setting(kind, argument or kind, optional, fixed, means, default)
    return field(default=fixed, metadata={"setting": setting})


def _argument(kind: Kind, fixed: Any) -> Any:
    return field(default=fixed, metadata=_about(kind, fixed))


def _about(kind: Kind, fixed: Any = MISSING) -> dict[str, Setting]:
    return {"setting": Setting(None, kind, fixed is None, fixed)}


def _socket_type(*names: str) -> Kind:
    """Return the kind of a socket's mode, by its name or by ZeroMQ's constant."""
    words = one_of(*names)
    constants = {int(getattr(zmq, name)): name for name in names}

    def read(value: Any) -> str | None:
        by_number = isinstance(value, int) and not isinstance(value, bool)
        return constants.get(value) if by_number else words.read(value)

    return Kind(words.name, words.allowed, read)


def _address() -> Any:
    return _key(ADDRESS, "What the socket is bound or connected to.", argument=ANY_ADDRESS)


def _queue_size(messages: int) -> Any:
    means = "ZeroMQ's high-water mark: messages that it queues for each peer; 0 for no limit."
    return _key(QUEUE_SIZE, means, messages)


def _conn_type() -> Any:
    means = "Whether the address is bound or connected to."
    return _key(one_of("bind", "connect"), means, "", "bind for tcp://*:port, else connect")


def _name() -> Any:
    means = "What the node is called in reports; no other may have it."
    return _key(TEXT, means, None, "kind and address")


def _stream_mode(mode: str) -> Any:
    means = "The kind of socket; TAP is a PUB for viewers, which can never slow the rest down."
    return _key(one_of("PUSH", "PUB", "TAP"), means, mode, argument=_socket_type("PUSH", "PUB"))


def _rate(hertz: float | None, default: str = "") -> Any:
    means = "So many messages a second go out at most, always the newest."
    kind = number("messages a second", MAX_RATE, above_zero=True)
    return _key(kind, means, hertz, default, optional=True)


def _strategy(strategy: str) -> Any:
    means = (
        "What goes out next: a message of each source in turn, what comes first, or the messages of"
        " all sources that have one key."
    )
    return _key(one_of("round_robin", "arrival", "by_key"), means, strategy)


def _fill(config: object, **values: str) -> None:
    for name, value in values.items():
        if not getattr(config, name):
            object.__setattr__(config, name, value)


QUEUE_SIZE = whole(0, MAX_QUEUE)
LINGER = whole(-1, MAX_QUEUE)
WHEN_FULL = one_of("block", "drop_newest", "drop_oldest")


class _Addressed:
    address: str
    conn_type: str

    def __post_init__(self) -> None:
        """Fill in what the address says of the connection."""
        _fill(self, conn_type=conn_type_of(self.address))


@dataclass(frozen=True)
class SourceConfig(_Addressed):
    """Where messages come from."""

    address: str = _address()
    mode: str = _key(
        one_of("PULL", "SUB"),
        "The kind of socket; SUB takes every topic.",
        "PULL",
        argument=_socket_type("PULL", "SUB"),
    )
    queue_size: int = _queue_size(100)
    conn_type: str = _conn_type()
    name: str | None = _name()
    step: int | None = _key(
        whole(1),
        "How much frame or pulse_id grows from message to message, to tell what is missing.",
        None,
        "1 for frame, learnt for pulse_id",
    )
    decode_threads: int = _key(
        whole(0, MAX_THREADS),
        "Native threads that decode pixels and compressed values, where a sink of the"
        " topology wants them; 0 decodes on the hub.",
        1,
    )
    count: int | None = _argument(whole(0), None)
    handlers: Mapping[str, Handler] | None = _argument(HANDLERS, None)
    topics: Sequence[str | bytes] = _argument(TOPICS, ("",))
    options: Mapping[str, Any] | None = _argument(VALUES, None)


@dataclass(frozen=True)
class FeedConfig:
    """What messages are made of in the program itself."""

    messages: Iterable[Sequence[Part]] = field(metadata=_about(MESSAGES))
    handlers: Mapping[str, Handler] | None = _argument(HANDLERS, None)
    name: str | None = _argument(TEXT, None)


@dataclass(frozen=True)
class MergeConfig:
    """In which order several streams become one: in turn, or as they come."""

    strategy: str = _strategy("round_robin")


@dataclass(frozen=True)
class ByKeyConfig:
    """How messages with one key are found in several streams."""

    strategy: str = _strategy("by_key")
    key: str = _key(
        TEXT,
        "The number in the header that matching messages have in common.",
        "pulse_id",
        argument=TEXT_OR_FUNCTION,
    )
    window: int = _key(
        whole(1, MAX_WINDOW), "How many messages of each source may wait for the others.", 32
    )
    patience: float = _key(number("seconds", MAX_SECONDS), "How long a message may wait.", 1.0)
    complete: bool = _key(
        TRUTH, "Whether only keys that every source sent go out; others count as unmatched.", True
    )
    flatten: bool = _key(
        TRUTH,
        "Whether the messages of a key go out one after the other, unchanged,"
        " not as one of htype merged-1.0.",
        False,
    )


@dataclass(frozen=True)
class OutputConfig(_Addressed):
    """Where messages go, and which."""

    address: str = _address()
    mode: str = _stream_mode("PUSH")
    queue_size: int = _queue_size(100)
    conn_type: str = _conn_type()
    name: str | None = _name()
    modulo: int = _key(
        whole(1, as_text=True), "n: only the n-th message goes out, the 2n-th and so on.", 1
    )
    offset: int = _key(
        whole(0), "With modulo n: message k, counted from 1, goes out if k modulo n is this.", 0
    )
    htypes: Sequence[str] | None = _key(
        TEXTS, "Only messages of one of these htypes go out.", None, "all"
    )
    share: tuple[int, int] | None = _key(
        SHARE,
        "The i-th of n equal shares, counted from 0; together they are everything.",
        None,
        "everything",
    )
    block: int = _key(whole(1), "With share: so many messages in a row are in one share.", 1)
    series: bool = _key(
        TRUTH,
        "Whether header and end of an Eiger series always go out, and its images alone count.",
        False,
    )
    when_full: str = _key(
        WHEN_FULL,
        "What to do when the receivers are slower: wait, or drop and count.",
        "",
        "block for PUSH, drop_newest for PUB",
    )
    rate: float | None = _rate(None, "no limit")
    linger: int = _argument(LINGER, 1000)
    options: Mapping[str, Any] | None = _argument(VALUES, None)

    def __post_init__(self) -> None:
        """Fill in the connection type and the policy."""
        super().__post_init__()
        _fill(self, when_full="drop_newest" if self.mode == "PUB" else "block")

    @property
    def leaves_out(self) -> bool:
        """Whether it may leave out images of a series."""
        chooses = self.share is not None or self.modulo > 1 or self.rate is not None
        return chooses or self.when_full != "block"


@dataclass(frozen=True)
class TapConfig(_Addressed):
    """Where viewers get the newest messages."""

    address: str = _address()
    mode: str = _stream_mode("TAP")
    queue_size: int = _queue_size(10)
    conn_type: str = _conn_type()
    name: str | None = _name()
    rate: float | None = _rate(20.0)
    linger: int = _argument(LINGER, 100)
    options: Mapping[str, Any] | None = _argument(VALUES, None)


@dataclass(frozen=True)
class SinkConfig:
    """What in the program itself gets messages."""

    function: Any = field(metadata=_about(FUNCTION))
    decode: bool = _argument(TRUTH, True)
    name: str | None = _argument(TEXT, None)


@dataclass(frozen=True)
class RecorderConfig:
    """Where messages are recorded."""

    path: str | PathLike[str] = field(metadata=_about(PATH))
    skip: int | None = _argument(whole(0), None)
    when_full: str = _argument(WHEN_FULL, "block")
    name: str | None = _argument(TEXT, None)


StreamConfig: TypeAlias = OutputConfig | TapConfig

SOURCE = Section("mode", {"PULL": SourceConfig, "SUB": SourceConfig})
MERGE = Section(
    "strategy", {"round_robin": MergeConfig, "arrival": MergeConfig, "by_key": ByKeyConfig}
)
OUTPUT = Section("mode", {"PUSH": OutputConfig, "PUB": OutputConfig, "TAP": TapConfig})


# what settings must be to one another


def check_config(config: Any, given: Collection[str], prefix: str = "") -> None:
    """Validate that settings go with one another, of which those `given` are no defaults.

    Raise ConfigError, where `prefix` stands before the name of a setting.
    """
    for name, reason in _contradictions(config, given):
        contradict(f"{prefix}{name}", getattr(config, name), reason)


def _contradictions(config: Any, given: Collection[str]) -> Iterator[tuple[str, str]]:
    is_wild = isinstance(config, _Addressed) and conn_type_of(config.address) == "bind"
    if is_wild and config.conn_type == "connect":
        yield "conn_type", f"can be bind alone, as {config.address} names no host"
    if not isinstance(config, OutputConfig):
        return
    if config.offset >= config.modulo:
        yield "offset", f"must be less than modulo, which is {config.modulo}"
    if "block" in given and config.share is None:
        yield "block", "goes with share, which is missing"
    if config.series and not config.leaves_out:
        yield "series", "goes with share, modulo, rate or a when_full that drops, which are missing"
    paced = config.rate is not None and not config.series
    if "when_full" in given and paced and config.when_full != "drop_oldest":
        yield "when_full", "can be drop_oldest beside rate, which always keeps the newest message"


def check_nodes(nodes: Mapping[str, SourceConfig | StreamConfig]) -> None:
    """Validate that no two nodes, by place, have one name or address, or raise ConfigError."""
    names: dict[str, str] = {}
    bound: dict[str, str] = {}
    for place, node in nodes.items():
        if node.name is not None and names.setdefault(node.name, place) != place:
            reason = f"is the name of {names[node.name]} already"
            contradict(f"{place}.name", node.name, reason)
        if node.conn_type == "bind" and bound.setdefault(node.address, place) != place:
            reason = f"is bound by {bound[node.address]} already; only one can bind to it"
            contradict(f"{place}.address", node.address, reason)
