"""What a callback of the hub raises is printed, and reaches nobody: here it fails the test."""

from collections.abc import Iterator
from typing import Any

import pytest
from gevent import Greenlet
from gevent.hub import Hub


@pytest.fixture(autouse=True)
def quiet_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail if something but a greenlet raised, whose error is kept for who joins it."""
    failed = []
    print_exception = Hub.print_exception

    def note(hub: Hub, context: Any, kind: type[BaseException], value: Any, trace: Any) -> None:
        if not isinstance(context, Greenlet) and not issubclass(kind, Hub.SYSTEM_ERROR):
            failed.append((context, value))
        print_exception(hub, context, kind, value, trace)

    monkeypatch.setattr(Hub, "print_exception", note)
    yield
    assert not failed
