"""A bot with slash commands: it answers at once, answers later, and sends a message.

Events come over the gateway, and replies go over Discord's HTTP API. Needs DISCORD_TOKEN in the environment;
VOX_GATEWAY_URL and DISCORD_API_URL point it at another gateway and API.
"""

import logging
import os
import random
import threading
import time

import requests

from vox_gateway import DEFAULT_GATEWAY, Client, Intents

INTENTS = Intents.none()  # interactions need no intent
COMMANDS = [
    {
        "name": "roll",
        "description": "Roll a die",
        "options": [{"name": "sides", "description": "How many sides it has", "type": 4, "min_value": 2}],
    },
    {"name": "report", "description": "Write a report, which takes a while"},
    {
        "name": "announce",
        "description": "Send a message to this channel",
        "options": [{"name": "text", "description": "What it says", "type": 3, "required": True}],
    },
]
# the types of interactions, and of the responses to them
COMMAND, MESSAGE, DEFERRED_MESSAGE = 2, 4, 5
EPHEMERAL = 1 << 6  # a flag: only the user of the command sees the response


class Api:
    """Makes requests to Discord's HTTP API."""

    def __init__(self, token, url="https://discord.com/api/v10"):
        self._url = url
        self._headers = {
            "Authorization": f"Bot {token}",
            "User-Agent": "DiscordBot (https://example.org/slash_bot, 1.0)",
        }

    def request(self, method, path, json=None):
        """Return the response; wait as long as a rate limit demands."""
        for _ in range(5):
            # Not with a Session: several threads make requests, and a Session may be used by one only.
            response = requests.request(method, self._url + path, headers=self._headers, json=json, timeout=10)
            if response.status_code != 429:
                response.raise_for_status()
                return response
            time.sleep(float(response.headers["Retry-After"]))
        raise requests.HTTPError(f"{method} {path} was rate limited five times")

    def respond(self, interaction, response):
        """Send the first response to an interaction, which is due within three seconds."""
        self.request("POST", f"/interactions/{interaction['id']}/{interaction['token']}/callback", response)

    def edit_response(self, interaction, message):
        """Replace the first response, within 15 minutes."""
        path = f"/webhooks/{interaction['application_id']}/{interaction['token']}/messages/@original"
        self.request("PATCH", path, message)


def add_handlers(client, api):
    @client.on("READY")
    def register(ready):
        api.request("PUT", f"/applications/{ready['application']['id']}/commands", COMMANDS)

    @client.on("INTERACTION_CREATE")
    def answer(interaction):
        if interaction["type"] != COMMAND:
            return
        options = {option["name"]: option["value"] for option in interaction["data"].get("options", [])}
        if interaction["data"]["name"] == "roll":
            number = random.randint(1, options.get("sides", 6))
            api.respond(interaction, {"type": MESSAGE, "data": {"content": f"You rolled {number}."}})
        elif interaction["data"]["name"] == "report":
            api.respond(interaction, {"type": DEFERRED_MESSAGE})  # "the bot is thinking..."
            # On a thread of its own, so that the next command need not wait for it.
            threading.Thread(target=finish, args=(interaction,), name="report").start()
        elif interaction["data"]["name"] == "announce":
            api.respond(interaction, {"type": MESSAGE, "data": {"content": "On its way.", "flags": EPHEMERAL}})
            api.request("POST", f"/channels/{interaction['channel_id']}/messages", {"content": options["text"]})

    def finish(interaction):
        try:
            api.edit_response(interaction, {"content": write_report()})
        except requests.RequestException:
            logging.exception("the report was not sent")


def write_report():
    time.sleep(5)  # in place of a database, or of another service
    return "All is well."


if __name__ == "__main__":
    token = os.environ["DISCORD_TOKEN"]
    client = Client(token=token, url=os.environ.get("VOX_GATEWAY_URL", DEFAULT_GATEWAY), intents=INTENTS)
    add_handlers(client, Api(token, os.environ.get("DISCORD_API_URL", "https://discord.com/api/v10")))
    client.connect()
