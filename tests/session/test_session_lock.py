"""The lock of a session file, between clients of one process and of several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vox_gateway import AlreadyConnected
from vox_gateway.session.lock import SessionLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


def is_free(path: Path) -> bool:
    lock = SessionLock(path)
    try:
        lock.acquire()
    except AlreadyConnected:
        return False
    lock.release()
    return True


def test_a_lock_is_held_by_one_client_whatever_the_path_is_called(path: Path) -> None:
    (path.parent / "link").symlink_to(path.parent)
    lock, other = SessionLock(path), SessionLock(path.parent / "link" / path.name)
    lock.acquire()
    with pytest.raises(AlreadyConnected, match=r"is in use by another client \(in this process\): close that"):
        other.acquire()
    other.release()
    assert not is_free(path)
    lock.release()
    lock.release()
    other.acquire()
    other.release()


@pytest.mark.skipif(os.name != "posix", reason="hard links")
def test_a_lock_with_two_names_is_one(path: Path) -> None:
    lock = SessionLock(path)
    lock.acquire()
    os.link(path.with_name("session.json.lock"), path.with_name("SESSION.json.lock"))
    assert not is_free(path.with_name("SESSION.json"))
    refused = subprocess.run([sys.executable, "-c", LOCKING, str(path)], stderr=subprocess.PIPE, text=True, check=False)
    assert f"is in use by another client (process {os.getpid()})" in refused.stderr, "the refusal above kept the lock"
    lock.release()


LOCKING = """
import sys
from pathlib import Path
from vox_gateway.session.lock import SessionLock

SessionLock(Path(sys.argv[1])).acquire()
"""
FORKED = """
import os, sys
from pathlib import Path
from vox_gateway import AlreadyConnected
from vox_gateway.session.lock import SessionLock

lock = SessionLock(Path(sys.argv[1]))
lock.acquire()
child = os.fork()
if child == 0:
    lock.release()
    try:
        lock.acquire()
    except AlreadyConnected as error:
        os.write(1, f"{error}\\n".encode())  # in one piece, as both write
else:
    os.write(1, f"{child}\\n".encode())
sys.stdin.readline()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork()")
def test_a_forked_child_neither_holds_nor_releases_the_lock(path: Path) -> None:
    command = [sys.executable, "-c", FORKED, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        lines = sorted(parent.stdout.readline() for _ in range(2))
        assert lines[0].strip().isdigit()
        in_use = f"is in use by another client (process {parent.pid})"
        assert in_use in lines[1]
        with pytest.raises(AlreadyConnected) as refused:
            SessionLock(path).acquire()
        assert in_use in str(refused.value)
        parent.kill()
        parent.wait(5)
        assert is_free(path), "though the child still runs"
