"""A bot with two commands: it answers !ping, and !status NAME changes its status.

Messages are sent over REST, not the gateway: `reply` is any function that sends one.
"""

import json
import os
import urllib.request

from vox_gateway import Client, Intents

TOKEN = os.environ.get("DISCORD_TOKEN", "")
INTENTS = Intents.default() | Intents.MESSAGE_CONTENT


def add_handlers(client, reply):
    @client.on("MESSAGE_CREATE")
    def on_message(message):
        if message["author"].get("bot"):
            return
        command, _, argument = message["content"].partition(" ")
        if command == "!ping":
            reply(message["channel_id"], "pong")
        elif command == "!status":
            try:
                client.presence_update(status=argument)
            except ValueError as error:
                reply(message["channel_id"], str(error))


def send_message(channel_id, content):
    request = urllib.request.Request(
        f"https://discord.com/api/v10/channels/{channel_id}/messages",
        data=json.dumps({"content": content}).encode(),
        headers={"Authorization": f"Bot {TOKEN}", "Content-Type": "application/json", "User-Agent": "DiscordBot"},
    )
    urllib.request.urlopen(request, timeout=10).close()


if __name__ == "__main__":
    client = Client(token=TOKEN, intents=INTENTS)
    add_handlers(client, send_message)
    client.connect()
