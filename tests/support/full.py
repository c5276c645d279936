"""How often the long tests run: a tenth by default, in full where GMFLOW_FULL is set."""

import os


def times(count: int, least: int = 1) -> int:
    """Return `count` if GMFLOW_FULL is set, else a tenth of it and at least `least`."""
    return count if os.environ.get("GMFLOW_FULL") else max(least, count // 10)
