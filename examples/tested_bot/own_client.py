"""A bot that makes its client where it is imported, as scripts do."""

import os

from vox_gateway import Client

client = Client(token=os.environ.get("DISCORD_TOKEN", "none"))


@client.on("GUILD_CREATE")
def say_where(guild):
    client.presence_update(status="online", activities=[{"name": guild["name"], "type": 3}])


if __name__ == "__main__":
    client.connect()
