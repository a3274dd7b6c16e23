"""``vox-gateway record``: appends redacted events to a file as lines of JSON until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ..errors import GatewayError
from ..sanitize import sanitize_line
from .recording import Recorded, line
from .recording.redaction import RULE, Redactor
from .recording.rotation import NotARecording, RotatingFile
from .shared import arguments
from .shared.exits import CommandError, Exit, exit_codes
from .shared.login import add_login, make_client, notes
from .shared.parsers import add_command
from .shared.stderr import Progress, say

__all__ = ["add_to", "run"]

_HELP = "write events to a file, without secrets (needs DISCORD_TOKEN)"

_DESCRIPTION = f"""\
Connect with the bot's token in the environment variable DISCORD_TOKEN, and
append every event to FILE as a line of JSON:

  {{"time": Unix time, "seq": sequence number, "name": event name, "data": ...}}

{RULE}

FILE is readable by its owner only. An existing recording is appended to; any
other file is refused. A full FILE is renamed to FILE.1, FILE.1 to FILE.2, and
so on; the oldest is removed. Lines are not buffered: kill -9 loses at most the
last, and an incomplete line is removed at the next start. Ctrl-C ends the
recording; vox-gateway replay sends it to a bot."""

_EPILOG = f"""\
examples:
  vox-gateway record events.jsonl
  vox-gateway record events.jsonl --intents default,MESSAGE_CONTENT
  vox-gateway record events.jsonl --max-size 10M --keep 4    50 MB on disk
  vox-gateway record events.jsonl --events MESSAGE_CREATE --keep-content

{
    exit_codes(
        {
            Exit.OK: "ended with Ctrl-C",
            Exit.INTERRUPTED: "ended with Ctrl-C before it connected",
            Exit.FAILED: "refused by the gateway, or the file could not be written",
            Exit.UNUSABLE: "the command line or FILE is invalid, or DISCORD_TOKEN or an extra is missing",
        }
    )
}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "record", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to record to")
    parser.add_argument(
        "--max-size",
        type=arguments.size,
        default=arguments.size("100M"),
        metavar="SIZE",
        help="maximum size of a file, as in 500K, 100M or 2G (default: 100M)",
    )
    parser.add_argument(
        "--keep",
        type=arguments.count,
        default=9,
        metavar="N",
        help="number of full files to keep (default: %(default)s)",
    )
    parser.add_argument("--keep-content", action="store_true", help="record user content too, but no secrets")
    add_login(parser)
    parser.set_defaults(run=run, default_log_level=logging.INFO)


def run(args: argparse.Namespace) -> int:
    """Record until Ctrl-C.

    Returns:
        The exit code.

    Raises:
        CommandError: the token is missing, an argument is invalid, or the file cannot be written to.
    """
    client = make_client(args)
    try:
        file = RotatingFile(args.file, args.max_size, args.keep)
    except NotARecording as error:
        raise CommandError(str(error), Exit.UNUSABLE) from None
    except OSError as error:
        raise CommandError(f"{args.file} cannot be recorded to: {error.strerror or error}", Exit.UNUSABLE) from None
    for note in notes(args.events or frozenset(), args.intents):
        say(note)
    if file.cut:
        say(f"removed the incomplete last line of {args.file} ({file.cut} bytes)")
    recorder = _Recorder(file, Redactor(os.environ["DISCORD_TOKEN"].strip(), args.keep_content))

    @client.on("DISPATCH")
    def record(payload: dict[str, Any]) -> None:
        if (args.events is None or payload["t"] in args.events) and not recorder.record(payload):
            client.close()

    refused = False
    try:
        client.connect()
    except GatewayError:
        refused = True  # the log on stderr has the reason
    finally:
        recorder.close()
    say(f"recorded {recorder.summary()} to {args.file}")
    if recorder.error is not None:
        raise CommandError(f"{args.file} cannot be written to: {recorder.error}")
    return Exit.FAILED if refused else Exit.OK


class _Recorder:
    """Writes events to a file on the dispatcher thread, and counts them.

    Attributes:
        error: the error of a failed write, or None.
        progress: the progress line.
    """

    def __init__(self, file: RotatingFile, redactor: Redactor) -> None:
        self.error: OSError | None = None
        self.progress = Progress()
        self._file = file
        self._redactor = redactor
        self._names: Counter[str] = Counter()
        self._bytes = 0
        self._is_closed = False
        self._lock = threading.Lock()  # guards the file and the fields above

    def record(self, payload: dict[str, Any]) -> bool:
        """Write an event; return False if closed or failed."""
        name = payload["t"]
        data = line(Recorded(time.time(), payload.get("s"), name, self._redactor.redact(name, payload.get("d"))))
        with self._lock:
            if self._is_closed or self.error is not None:
                return False
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
                return False
            self._names[name] += 1
            self._bytes += len(data)
        if self.progress.is_due():
            self.progress.show(f"recorded {self.summary(most=3)}")
        return True

    def close(self) -> None:
        """Close the file. A handler still running must not write to a reused descriptor."""
        with self._lock:
            self._is_closed = True
            self._file.close()
        self.progress.erase()

    def summary(self, most: int | None = None) -> str:
        """Describe what was recorded."""
        names = ", ".join(f"{count:,} {sanitize_line(name)}" for name, count in self._names.most_common(most))
        return f"{self._names.total():,} events, {self._bytes:,} bytes" + (f": {names}" if names else "")
