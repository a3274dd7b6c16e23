"""The screenshots of the documentation, and the script that takes them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tools" / "screenshots.py"
IMAGES = ROOT / "docs" / "images"
MAX_SIZE = 60_000  # bytes


def check(picture: Path) -> None:
    """Check that a file is a PNG of a sensible size in pixels and bytes."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack_from(">2I", data, 16)
    assert 200 <= width <= 800
    assert 100 <= height <= 800
    assert 1000 < len(data) < MAX_SIZE


def missing() -> str:
    """What the script needs and does not find, in words."""
    modules = [module for module in ("tkinter", "flask") if importlib.util.find_spec(module) is None]
    programs = [] if shutil.which("Xvfb") else ["Xvfb"]
    browsers = ("chromium", "chromium-browser", "google-chrome")
    return ", ".join(modules + programs + ([] if any(map(shutil.which, browsers)) else ["Chromium"]))


def test_each_screenshot_is_small_and_on_a_page() -> None:
    shown = {
        (page.parent / name).resolve()
        for page in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"!\[[^\]]+\]\((\S+\.png)\)", page.read_text(encoding="utf-8"))
    }
    assert shown == set(IMAGES.glob("*.png"))
    for picture in shown:
        check(picture)


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=f"taking screenshots needs {missing()}")
@pytest.mark.usefixtures("unmeasured")
def test_the_screenshots_can_be_taken(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    taken = sorted(tmp_path.iterdir())
    assert [picture.name for picture in taken] == sorted(picture.name for picture in IMAGES.glob("*.png"))
    for picture in taken:
        check(picture)
    # The Tk window is drawn from the screen's memory: it must not be blank.
    data = (tmp_path / "tk.png").read_bytes()
    (length,) = struct.unpack_from(">I", data, 33)
    assert len(set(zlib.decompress(data[41 : 41 + length]))) > 3
