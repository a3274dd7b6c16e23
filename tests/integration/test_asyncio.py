"""A client in the same process as an asyncio loop: events go in, calls come out, and neither waits for the other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from client_helpers import TIMEOUT, MakeClient

from vox_gateway.testing import LocalGateway, message

COUNT = 200

LISTENER = """
import asyncio, sys
from vox_gateway import Client

async def main():
    loop, messages = asyncio.get_running_loop(), asyncio.Queue()
    client = Client(token="t", url=sys.argv[1])
    client.on("MESSAGE_CREATE", lambda message: loop.call_soon_threadsafe(messages.put_nowait, message))
    with client:
        while True:
            print((await messages.get())["author"]["username"], flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_events_reach_a_loop_in_order(gateway: LocalGateway, make_client: MakeClient) -> None:
    handled_on: set[int] = set()

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        client = make_client(gateway)

        @client.on("MESSAGE_CREATE")
        def hand_over(message: dict[str, Any]) -> None:
            handled_on.add(threading.get_ident())
            loop.call_soon_threadsafe(messages.put_nowait, message)

        with client:
            await asyncio.to_thread(client.wait_until_ready, TIMEOUT)
            for number in range(COUNT):
                gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], "hello", nonce=number))
            return [(await messages.get())["nonce"] for _ in range(COUNT)]

    assert asyncio.run(asyncio.wait_for(main(), TIMEOUT)) == list(range(COUNT))
    assert threading.get_ident() not in handled_on
    assert gateway.expect_close(by="client").code == 1000


def test_a_full_queue_of_a_loop_holds_the_handler_and_loses_nothing(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=1)
        client = make_client(gateway)

        @client.on("MESSAGE_CREATE")
        def hand_over(message: dict[str, Any]) -> None:
            asyncio.run_coroutine_threadsafe(messages.put(message), loop).result(TIMEOUT)

        with client:
            await asyncio.to_thread(client.wait_until_ready, TIMEOUT)
            for number in range(COUNT):
                gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], "hello", nonce=number))
            return [(await messages.get())["nonce"] for _ in range(COUNT)]

    assert asyncio.run(asyncio.wait_for(main(), TIMEOUT)) == list(range(COUNT))


def test_a_loop_goes_on_while_a_call_waits(gateway: LocalGateway, make_client: MakeClient) -> None:
    async def main() -> str:
        with make_client(gateway) as client:
            await asyncio.to_thread(client.wait_until_ready, TIMEOUT)
            waiting = asyncio.create_task(asyncio.to_thread(client.wait_for, "MESSAGE_CREATE", timeout=TIMEOUT))
            while not waiting.done():  # only a loop that goes on sends what the call waits for
                gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], "hello"))
                await asyncio.sleep(0.001)
            author: str = waiting.result()["author"]["username"]
            return author

    assert asyncio.run(asyncio.wait_for(main(), TIMEOUT)) == "ada"


def test_a_closed_loop_costs_the_handler_only(gateway: LocalGateway, make_client: MakeClient) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    errors: list[BaseException] = []
    with make_client(gateway) as client:
        client.on("error", lambda error, event: errors.append(error))
        client.on("GUILD_CREATE", lambda guild: loop.call_soon_threadsafe(print, guild))
        assert client.wait_until_ready(TIMEOUT)
        assert gateway.wait_handled(client, TIMEOUT)
        assert client.status.value == "ready"
    assert {type(error) for error in errors} == {RuntimeError}


@pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")
@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_in_a_loop_closes_the_client(gateway: LocalGateway) -> None:
    command = [sys.executable, "-c", LISTENER, gateway.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        gateway.wait_connected(timeout=TIMEOUT)
        gateway.dispatch("MESSAGE_CREATE", message(gateway.guilds[0], "hello"))
        assert process.stdout.readline() == "ada\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        assert process.wait(TIMEOUT) == 0
    assert gateway.expect_close(by="client").code == 1000
