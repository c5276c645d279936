"""What a table of keys is made of: keys as fields of classes, and sections that choose a class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from .kinds import Kind


@dataclass(frozen=True)
class Key:
    """What is to be known of a key beside its name and a fixed default.

    Attributes
    ----------
    kind : Kind
        What its value must be.
    means : str
        What the value is for.
    default : str
        What holds without it, in words, where that is no fixed value.
    """

    kind: Kind
    means: str
    default: str = ""


def about(kind: Kind, means: str, default: str = "") -> dict[str, Key]:
    """Return the metadata of a field that is a key."""
    return {"key": Key(kind, means, default)}


def keys_of(config: type) -> dict[str, Key]:
    """Return the keys of a class whose every field is one, by name."""
    return {one.name: one.metadata["key"] for one in fields(config)}


@dataclass(frozen=True)
class Section:
    """A section of the configuration, whose keys depend on the value of one of them.

    It gives the names of all its keys, one after the other.

    Attributes
    ----------
    chooser : str
        That one key; without it the first of its values holds.
    classes : mapping of str to type
        For each of its values the class that holds the keys.
    """

    chooser: str
    classes: Mapping[str, type]

    def __iter__(self) -> Iterator[str]:
        return iter({name: None for one in self.classes.values() for name in keys_of(one)})

    def holders(self, name: str) -> list[str]:
        """Return the chooser's values under which there is a key of this name."""
        return [value for value, one in self.classes.items() if name in keys_of(one)]
