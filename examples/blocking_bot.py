"""A bot in a blocking script: prints messages, and stops when someone writes !stop.

Needs DISCORD_TOKEN in the environment; VOX_GATEWAY_URL points it at another gateway, such as a LocalGateway.
"""

import logging
import os

from vox_gateway import DEFAULT_GATEWAY, Client, Intents

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

client = Client(
    token=os.environ["DISCORD_TOKEN"],
    url=os.environ.get("VOX_GATEWAY_URL", DEFAULT_GATEWAY),
    intents=Intents.default() | Intents.MESSAGE_CONTENT,
)


@client.on("READY")
def ready(data):
    print(f"logged in as {data['user']['username']}", flush=True)
    client.presence_update(status="online", activities=[{"name": "blocking calls", "type": 0}])


@client.on("MESSAGE_CREATE")
def message(data):
    print(f"{data['author']['username']}: {data['content']}", flush=True)
    if data["content"] == "!stop":
        client.close("asked to stop")


@client.on("error")
def error(error, event):
    print(f"{event} failed: {error}", flush=True)


client.connect()
print("closed", flush=True)
