"""Take the screenshots of the documentation: the Tk and Flask examples, connected to `vox-gateway serve`.

    python tools/screenshots.py [FOLDER]

writes tk.png and flask.png, by default into docs/images. Needs Xvfb, Chromium, Tk and Flask.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 30.0
LINES = (
    "ada #general: good morning, the engine is warm",
    "brian #general: all gauges are green",
    "zoe #reading: I have finished chapter 12",
    "ada #general: lunch at noon?",
)
CONTENTS = [line.partition(": ")[2] for line in LINES]
CHROMIUM_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=560,210",
]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with served() as (url, lines):
        environment = {**os.environ, "DISCORD_TOKEN": "any", "VOX_GATEWAY_URL": url, "PYTHONUNBUFFERED": "1"}
        take_tk(folder / "tk.png", environment, lines)
        take_flask(folder / "flask.png", environment, lines)


def take_tk(target: Path, environment: dict[str, str], lines: Served) -> None:
    """Take a screenshot of the Tk window, on a virtual display."""
    command = [sys.executable, "examples/tk_window.py"]
    with (
        tempfile.TemporaryDirectory() as work,
        virtual_display(work) as (display, framebuffer),
        running(command, {**environment, "DISPLAY": display}, stdout=subprocess.PIPE) as window,
    ):
        assert window.stdout is not None
        lines.until("READY")
        lines.type(*LINES)
        read_until(window.stdout, CONTENTS[-1])
        save(target, still(lambda: read_xwd(framebuffer)))


def take_flask(target: Path, environment: dict[str, str], lines: Served) -> None:
    """Take a screenshot of the Flask app's page, in a headless browser."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "examples/flask_app.py"]
    with running(command, {**environment, "PORT": str(port)}, stderr=subprocess.PIPE) as app:
        assert app.stderr is not None
        read_until(app.stderr, "Running on")
        lines.until("READY")
        lines.type(*LINES)
        wait_until(lambda: CONTENTS[-1] in urllib.request.urlopen(page, timeout=TIMEOUT).read().decode())
        with tempfile.TemporaryDirectory() as profile:
            options = [*CHROMIUM_OPTIONS, f"--user-data-dir={profile}", f"--screenshot={target.resolve()}"]
            subprocess.run([chromium(), *options, page], check=True, timeout=TIMEOUT, capture_output=True)


# -- processes --------------------------------------------------------------------------------------------------------


class Served:
    """The lines of `vox-gateway serve`, and its keyboard."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    def until(self, text: str) -> str:
        return read_until(self._stdout, text)

    def type(self, *lines: str) -> None:
        self._stdin.write("".join(f"{line}\n" for line in lines))
        self._stdin.flush()


@contextlib.contextmanager
def served() -> Iterator[tuple[str, Served]]:
    """Run `vox-gateway serve`; give its URL and its lines."""
    command = [sys.executable, "-m", "vox_gateway", "serve", "--port", "0"]
    with running(command, dict(os.environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        lines = Served(process)
        found = re.search(r"ws://\S+", lines.until("listening on"))
        assert found
        yield found[0], lines


@contextlib.contextmanager
def virtual_display(folder: str) -> Iterator[tuple[str, Path]]:
    """Run Xvfb; give its display and the file of its framebuffer."""
    command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x400x24", "-fbdir", folder]
    with running(command, dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield f":{process.stdout.readline().strip()}", Path(folder) / "Xvfb_screen0"


@contextlib.contextmanager
def running(
    command: list[str],
    environment: dict[str, str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run a command; kill it at the end of the block, or if it takes too long."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=stdin, stdout=stdout, stderr=stderr, text=True
    ) as process:
        timer = threading.Timer(4 * TIMEOUT, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def chromium() -> str:
    """The path of the browser, empty if there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


def read_until(stream: IO[str], text: str) -> str:
    """Return the next line that contains `text`."""
    for line in stream:
        if text in line:
            return line
    raise RuntimeError(f"it ended before it said {text!r}")


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not happen within {TIMEOUT:g} seconds")
        time.sleep(0.05)


# -- pictures ---------------------------------------------------------------------------------------------------------

#: rows of pixels, each of red, green and blue
Rows = list[bytes]


def still(take: Callable[[], Rows]) -> Rows:
    """Take pictures until two half a second apart are equal and show something, and return the last."""
    last: Rows = []

    def is_still() -> bool:
        nonlocal last
        before, last = last, take()
        time.sleep(0.5)
        return before == last and any(map(any, last))

    wait_until(is_still)
    return last


def read_xwd(path: Path) -> Rows:
    """Read a framebuffer in the format of xwd, as Xvfb writes it: 32 bits a pixel, without the black border."""
    data = path.read_bytes()
    header_size, _, _, _, width, height = struct.unpack_from(">6I", data)
    byte_order, bits_per_pixel, bytes_per_line = (struct.unpack_from(">I", data, at)[0] for at in (28, 44, 48))
    (colours,) = struct.unpack_from(">I", data, 76)
    assert (byte_order, bits_per_pixel) == (0, 32), "expected little-endian pixels of 32 bits"
    start = header_size + 12 * colours
    rows = []
    for y in range(height):
        row = data[start + y * bytes_per_line :][: width * 4]
        rgb = bytearray(width * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
        rows.append(bytes(rgb))
    while rows and not any(rows[-1]):
        rows.pop()
    used = max((len(row.rstrip(b"\0")) for row in rows), default=0)
    return [row[: -(-used // 3) * 3] for row in rows]


def save(path: Path, rows: Rows) -> None:
    """Write a PNG of 8 bits a colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
