"""A gateway to try a bot on: each line that is typed becomes a message."""

import sys
from contextlib import suppress

from vox_gateway.testing import LocalGateway, user

with suppress(KeyboardInterrupt), LocalGateway(port=8765) as gateway:
    print(f"{gateway.url} is there; type a message", flush=True)
    for number, line in enumerate(sys.stdin, start=1):
        message = {
            "id": str(number),
            "guild_id": gateway.guilds[0]["id"],
            "channel_id": "1",
            "author": user(2, "ada"),
            "content": line.strip(),
        }
        bots = gateway.dispatch("MESSAGE_CREATE", message)
        print(f"sent to {bots} bot{'' if bots == 1 else 's'}", flush=True)
