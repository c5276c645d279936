"""What every test shares: how Hypothesis looks for examples.

Without deadlines and the check of its own speed, which a busy machine would break. By default it
tries the same examples in every run; `make test-full` looks for others.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "gmflow",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("GMFLOW_FULL"),
)
settings.load_profile("gmflow")
