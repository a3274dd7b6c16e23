"""A Tk window that lists messages as they come.

Only one thread may use Tk, so the window runs the client's handlers, 20 times a second. Needs DISCORD_TOKEN in
the environment; VOX_GATEWAY_URL points it at another gateway.
"""

import os
import tkinter

from vox_gateway import DEFAULT_GATEWAY, Client, Intents

client = Client(
    token=os.environ["DISCORD_TOKEN"],
    url=os.environ.get("VOX_GATEWAY_URL", DEFAULT_GATEWAY),
    intents=Intents.default() | Intents.MESSAGE_CONTENT,
    handlers="caller",
)

window = tkinter.Tk()
window.title("vox_gateway")
state = tkinter.Label(window, anchor="w")
state.pack(fill="x")
messages = tkinter.Listbox(window, width=60)
messages.pack(fill="both", expand=True)


@client.on("MESSAGE_CREATE")
def show(message):
    line = f"{message['author']['username']}: {message['content']}"
    messages.insert("end", line)
    print(line, flush=True)
    if message["content"] == "!stop":
        window.quit()


def handle():
    client.dispatch_pending(limit=100)  # no more at once, so that the window stays alive in a flood
    state["text"] = f"{client.status}, {client.stats.events} events"
    window.after(50, handle)


handle()
with client:
    window.mainloop()
