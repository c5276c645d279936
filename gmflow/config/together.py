"""What keys must be to one another, within a stream and between nodes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..validation import conn_type_of
from .refusing import refuse
from .schema import OutputConfig, SourceConfig, StreamConfig


def check_output(place: str, output: OutputConfig, given: Collection[str]) -> None:
    """Check that an output's keys go together.

    Parameters
    ----------
    place : str
        Where it stands in the configuration.
    output : OutputConfig
        What it says.
    given : collection of str
        The keys that are not there by default.

    Raises
    ------
    ConfigError
        If one of them contradicts another, or has no effect without another.
    """
    if output.offset >= output.modulo:
        allowed = f"must be less than modulo, which is {output.modulo}"
        refuse(f"{place}.offset", output.offset, allowed)
    if "block" in given and output.share is None:
        refuse(f"{place}.block", output.block, "goes with share, which is missing")
    if output.series and not _leaves_out(output):
        allowed = "goes with share, modulo, rate or a when_full that drops, which are missing"
        refuse(f"{place}.series", True, allowed)
    paced = output.rate is not None and not output.series
    if "when_full" in given and paced and output.when_full != "drop_oldest":
        allowed = "must be drop_oldest beside rate, which always keeps the newest message"
        refuse(f"{place}.when_full", output.when_full, allowed)


def _leaves_out(output: OutputConfig) -> bool:
    """Return True if an output may leave out images of a series."""
    chooses = output.share is not None or output.modulo > 1 or output.rate is not None
    return chooses or output.when_full != "block"


def check_nodes(nodes: Mapping[str, SourceConfig | StreamConfig]) -> None:
    """Check that nodes, by their places, have names and addresses that they can have.

    Raises
    ------
    ConfigError
        If two have one name, or bind to one address, or one is to connect to no host.
    """
    names: dict[str, str] = {}
    bound: dict[str, str] = {}
    for place, node in nodes.items():
        if node.name is not None and names.setdefault(node.name, place) != place:
            refuse(f"{place}.name", node.name, f"is the name of {names[node.name]} already")
        if node.conn_type == "connect" and conn_type_of(node.address) == "bind":
            allowed = f"must be bind, as {node.address} names no host"
            refuse(f"{place}.conn_type", node.conn_type, allowed)
        if node.conn_type == "bind" and bound.setdefault(node.address, place) != place:
            taken = f"is bound by {bound[node.address]} already; only one can bind to it"
            refuse(f"{place}.address", node.address, taken)
