"""What tests of HDF5 recordings of bsread and array-1.0 share: to record, and to read again."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gmflow.message import Message
from gmflow.recording.hdf5 import Hdf5Writer


def record(folder: Path, *messages: Sequence[bytes] | Message) -> Hdf5Writer:
    """Record messages to run.h5 in a folder that is made for it, and return the closed writer."""
    folder.mkdir(exist_ok=True)
    before = open_files()
    writer = Hdf5Writer(folder / "run.h5")
    writer.write([one if isinstance(one, Message) else Message(parts=one) for one in messages])
    writer.close()
    assert writer.written + writer.refused == len(messages)
    assert open_files() == before
    return writer


class Single:
    """A column of a file that is being built, with rows of its own: numbers, arrays or texts."""

    def __init__(self, file: Any, path: str, *about: Any, **attributes: Any) -> None:
        self._rows = file.rows()
        self._is_text = not about
        make = self._rows.texts if self._is_text else self._rows.column
        make(path, *about, **attributes)

    def append(self, value: Any) -> None:
        self._rows.append((value,), len(value) if self._is_text else 0)


def open_files() -> int:
    """Return how many files HDF5 has open in this process."""
    from h5py import h5f

    return int(h5f.get_obj_count(h5f.OBJ_ALL, h5f.OBJ_FILE))


@contextmanager
def opened(folder: Path) -> Iterator[list[Any]]:
    """Return the files of a recording, open, in the order in which they were begun."""
    import h5py

    names = sorted(folder.glob("run*.h5"), key=lambda path: (len(path.name), path.name))
    with ExitStack() as stack:
        yield [stack.enter_context(h5py.File(name, "r")) for name in names]


def texts(file: Any, path: str) -> list[bytes]:
    """Return the texts of a dataset of bytes that has a dataset of their ends beside it."""
    flat, ends = file[path][:].tobytes(), file[f"{path}_end"][:].tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]
