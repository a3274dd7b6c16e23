"""A Flask app with a bot inside: a page of what was said, its health, and a route that changes its status.

Needs DISCORD_TOKEN in the environment; VOX_GATEWAY_URL points it at another gateway, PORT at another port.
It connects only when run as a script. Run one process: each one would connect a bot of its own.
"""

import collections
import os

from flask import Flask, abort, render_template_string

from vox_gateway import DEFAULT_GATEWAY, Client, CommandTimeout, Intents, NotConnected

PAGE = """
<!doctype html>
<title>vox_gateway</title>
<body style="font-family: sans-serif; margin: 2em">
<h1>{{ status }}</h1>
<ul>{% for author, content in messages %}<li><b>{{ author }}</b>: {{ content }}</li>{% endfor %}</ul>
"""

client = Client(
    token=os.environ["DISCORD_TOKEN"],
    url=os.environ.get("VOX_GATEWAY_URL", DEFAULT_GATEWAY),
    intents=Intents.default() | Intents.MESSAGE_CONTENT,
)
app = Flask(__name__)
messages = collections.deque(maxlen=10)


@client.on("MESSAGE_CREATE")
def keep(message):
    messages.append((message["author"]["username"], message["content"]))


@app.get("/")
def index():
    return render_template_string(PAGE, status=client.status, messages=messages.copy())


@app.get("/health")
def health():
    found = client.health()
    return found, 200 if found["ok"] else 503


@app.post("/status/<status>")
def set_status(status):
    try:
        client.presence_update(status=status, timeout=5)
    except (CommandTimeout, NotConnected):
        abort(503, "the gateway is not connected just now")
    except ValueError as error:
        abort(400, str(error))
    return "done\n"


if __name__ == "__main__":
    with client:
        app.run(port=int(os.environ.get("PORT", "5000")))
