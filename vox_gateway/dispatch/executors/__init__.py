"""Where handlers run: on the dispatcher's own thread, on workers, or on the thread that asks for them."""

from .base import Handling
from .caller import OnCaller, Pending
from .inline import InPlace
from .thread_pool import OnWorkers

__all__ = ["Handling", "InPlace", "OnCaller", "OnWorkers", "Pending"]
