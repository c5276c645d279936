"""In which order the messages of several streams become one stream, without a socket in sight.

A strategy is given what comes, `put(stream, messages, now)`, and asked for what goes out,
`take(most, now)`. It is for one merge alone.
"""

from .by_key import ByKey
from .strategy import (
    Arrival,
    Clock,
    RoundRobin,
    RoundRobinStrategy,
    Strategy,
    Turns,
    strategy_of,
)

__all__ = [
    "Arrival",
    "ByKey",
    "Clock",
    "RoundRobin",
    "RoundRobinStrategy",
    "Strategy",
    "Turns",
    "strategy_of",
]
