"""Both libraries that bslz4 can take.

A test of one that is not installed is skipped; it fails where GMFLOW_LIBRARIES is "all", as in CI.
"""

import os
from collections.abc import Iterator

import pytest

from gmflow.codecs import bslz4

MISSING = (
    "dectris-compression is not installed: pip install 'gmflow[dectris]', which a C++20 compiler"
    " compiles"
)


@pytest.fixture(params=["imagecodecs", "dectris-compression"], scope="module")
def each_library(request: pytest.FixtureRequest) -> Iterator[None]:
    """Decode with each of the libraries that bslz4 can take."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "imagecodecs":
            patch.setattr(bslz4, "fast_library", lambda: None)
        elif bslz4.fast_library() is None:
            (pytest.fail if os.environ.get("GMFLOW_LIBRARIES") == "all" else pytest.skip)(MISSING)
        yield
