"""Where handlers run: on the dispatcher's own thread, on workers, or on the thread that asks for them."""

from .caller import OnCaller, Pending
from .in_place import InPlace
from .interface import Handling
from .workers import OnWorkers

__all__ = ["Handling", "InPlace", "OnCaller", "OnWorkers", "Pending"]
