"""A first bot: prints messages, and sets its status to "do not disturb" when someone writes !busy.

Needs DISCORD_TOKEN in the environment; VOX_GATEWAY_URL points it at another gateway.
"""

import logging
import os
import sys

from vox_gateway import DEFAULT_GATEWAY, Client, ConnectFailed, ConnectionClosed, Intents

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

client = Client(
    token=os.environ["DISCORD_TOKEN"],
    url=os.environ.get("VOX_GATEWAY_URL", DEFAULT_GATEWAY),
    intents=Intents.default() | Intents.MESSAGE_CONTENT,
)


@client.on("READY")
def ready(data):
    print(f"logged in as {data['user']['username']}", flush=True)


@client.on("MESSAGE_CREATE")
def message(data):
    print(f"{data['author']['username']}: {data['content']}", flush=True)
    if data["content"] == "!busy":
        client.presence_update(status="dnd")


try:
    client.connect()
except (ConnectionClosed, ConnectFailed):  # the log says why; starting again would not help
    sys.exit(78)
