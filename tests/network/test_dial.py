"""From a host name to a TCP connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support import TIMEOUT, after, black_hole, never, refused_port, running, serving

from vox_gateway.concurrency.wakeup import DeadlinePassed, Interrupted, Wakeup
from vox_gateway.errors import ConnectFailed
from vox_gateway.network.dial import dial


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    with contextlib.closing(Wakeup()) as wakeup:
        yield wakeup


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """What the name lookup finds, in its order."""
    found = [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host, port in addresses
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)


def greet(name: bytes) -> Any:
    return lambda sock: sock.sendall(name)


def greeting(sock: socket.socket) -> bytes:
    with contextlib.closing(sock):
        sock.settimeout(TIMEOUT)
        return sock.recv(10)


def test_it_connects_and_never_blocks_afterwards(wakeup: Wakeup) -> None:
    with serving(greet(b"a")) as port:
        sock = dial("localhost", port, after(TIMEOUT), wakeup)
        assert not sock.getblocking()
        assert greeting(sock) == b"a"


def test_a_refused_connection_names_the_address_and_the_reason(wakeup: Wakeup) -> None:
    port = refused_port()
    with pytest.raises(ConnectFailed, match=f"127.0.0.1 port {port}: .*refused") as raised:
        dial("127.0.0.1", port, after(TIMEOUT), wakeup)
    assert not raised.value.permanent


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), OSError("no resolver")])
def test_an_unknown_name_is_reported(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def getaddrinfo(*args: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ConnectFailed, match=r"'gateway\.example' could not be looked up"):
        dial("gateway.example", 443, never, wakeup)


def test_an_invalid_name_is_reported(wakeup: Wakeup) -> None:
    with pytest.raises(ConnectFailed, match="could not be looked up"):
        dial("x" * 64 + ".example", 443, never, wakeup)


def test_a_name_whose_addresses_fail_is_reported(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, ("127.0.0.1", refused_port()))
    with pytest.raises(ConnectFailed, match=r"could not connect to gateway\.example"):
        dial("gateway.example", 443, never, wakeup)


def test_an_address_that_refuses_is_followed_by_the_next(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(greet(b"b")) as port:
        resolves_to(monkeypatch, ("127.0.0.1", refused_port()), ("127.0.0.1", refused_port()), ("127.0.0.1", port))
        assert greeting(dial("gateway.example", 443, after(TIMEOUT), wakeup)) == b"b"


def test_an_address_that_does_not_answer_does_not_hold_up_the_next(
    wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch
) -> None:
    with black_hole() as hole, serving(greet(b"b")) as port:
        resolves_to(monkeypatch, ("127.0.0.1", hole), ("127.0.0.1", port))
        assert greeting(dial("gateway.example", 443, after(TIMEOUT), wakeup)) == b"b"


def test_address_families_alternate(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    with contextlib.ExitStack() as stack:
        try:
            sixth = stack.enter_context(serving(greet(b"6"), host="::1"))
        except OSError:
            pytest.skip("this machine has no IPv6")
        fourth = stack.enter_context(serving(greet(b"4")))
        resolves_to(monkeypatch, ("127.0.0.1", refused_port()), ("127.0.0.1", fourth), ("::1", sixth))
        assert greeting(dial("gateway.example", 443, after(TIMEOUT), wakeup)) == b"6"


def test_an_unsupported_address_family_is_skipped(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(greet(b"b")) as port:
        resolves_to(monkeypatch, ("127.0.0.1", port))
        found = socket.getaddrinfo("gateway.example", 443)
        unknown = (9999, socket.SOCK_STREAM, 6, "", ("nowhere", 1))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [unknown, *found])
        assert greeting(dial("gateway.example", 443, after(TIMEOUT), wakeup)) == b"b"


def test_it_ends_at_the_deadline(wakeup: Wakeup) -> None:
    with black_hole() as hole:
        with pytest.raises(DeadlinePassed):
            dial("127.0.0.1", hole, after(0.1), wakeup)
        with pytest.raises(DeadlinePassed):
            dial("127.0.0.1", hole, after(-1), wakeup)


def test_setting_the_wakeup_ends_it_at_once(wakeup: Wakeup) -> None:
    with black_hole() as hole:
        timer = threading.Timer(0.1, wakeup.cancel)
        timer.start()
        with pytest.raises(Interrupted):  # not DeadlinePassed
            dial("127.0.0.1", hole, after(TIMEOUT), wakeup)
        timer.join()


def test_setting_the_wakeup_during_the_lookup_opens_nothing(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, answer = threading.Event(), threading.Event()

    def getaddrinfo(*args: Any, **options: Any) -> Any:
        looking.set()
        answer.wait(TIMEOUT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def dial_in_vain() -> None:
        with pytest.raises(Interrupted):
            dial("gateway.example", 443, after(TIMEOUT), wakeup)

    with running(dial_in_vain):
        assert looking.wait(TIMEOUT)
        wakeup.cancel()
        answer.set()
