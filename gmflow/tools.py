"""The older name of `gmflow.utils`, as in mflow."""

from .utils import *  # noqa: F403 - the same names
from .utils import __all__ as __all__
