"""The console script ``vox-gateway``, which ends without a traceback on Ctrl-C while the command is still imported.

It stands outside the package, whose import takes most of that time, and imports none of it at once. What comes before,
the start of the interpreter and of the script itself, is out of reach.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["main"]

_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


def main() -> int:
    """Run the command ``vox-gateway``.

    Returns:
        The exit code.

    Raises:
        SystemExit: after --help, --version, or arguments that are not valid.
    """
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # and not ignored, as nohup has it
    if is_ours:
        # Not KeyboardInterrupt: one that is raised in a callback of the import system is printed and lost.
        signal.signal(signal.SIGINT, _end)
    from vox_gateway.cli import main as run

    try:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run()
    except KeyboardInterrupt:  # before the command had begun, or after its end
        _say_interrupted()
        return _INTERRUPTED
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """End the process at once: nothing has begun, or all is done and written."""
    _say_interrupted()
    os._exit(_INTERRUPTED)


def _say_interrupted() -> None:
    try:
        os.write(2, b"vox-gateway: interrupted\n")
    except OSError:
        return
