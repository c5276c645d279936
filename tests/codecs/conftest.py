"""Both libraries that bslz4 can take."""

from collections.abc import Iterator

import pytest

from gmflow.codecs import bslz4


@pytest.fixture(params=["imagecodecs", "dectris-compression"], scope="module")
def each_library(request: pytest.FixtureRequest) -> Iterator[None]:
    """Decode with each of the libraries that bslz4 can take."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "imagecodecs":
            patch.setattr(bslz4, "fast_library", lambda: None)
        elif bslz4.fast_library() is None:  # CI holds that it is there
            pytest.skip("no dectris-compression: gmflow[dectris], which needs a C++20 compiler")
        yield
