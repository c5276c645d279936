"""Scripts and peers for a test; whatever it started is ended after it."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.forking import ScriptServer
from tests.support.peers import Peers
from tests.support.scripts import Scripts


@pytest.fixture
def peers() -> Iterator[Peers]:
    opened = Peers()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def script_server() -> Iterator[ScriptServer]:
    server = ScriptServer()
    yield server
    server.close()


@pytest.fixture
def scripts(peers: Peers, script_server: ScriptServer) -> Iterator[Scripts]:
    """Scripts, which end before the peers that they talk to."""
    started = Scripts(script_server)
    yield started
    started.close()


@pytest.fixture
def refused(scripts: Scripts) -> Callable[..., str]:
    """Start a script; return the line that it refuses its arguments with."""

    def start(status: int, name: str, *arguments: object) -> str:
        result = scripts.run(name, *arguments)
        assert result.status == status, result
        assert status != 2 or not result.out
        (line,) = result.err.splitlines()
        assert line.startswith(f"{name}: ")
        return line

    return start
