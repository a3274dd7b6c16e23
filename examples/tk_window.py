"""A Tk window that lists messages as they come.

Handlers run on the client's thread and Tk wants to be touched by its own alone, so events are handed over in a queue.
Needs DISCORD_TOKEN in the environment; VOX_GATEWAY_URL points it at another gateway.
"""

import os
import queue
import tkinter

from vox_gateway import DEFAULT_GATEWAY, Client, Intents

client = Client(
    token=os.environ["DISCORD_TOKEN"],
    url=os.environ.get("VOX_GATEWAY_URL", DEFAULT_GATEWAY),
    intents=Intents.default() | Intents.MESSAGE_CONTENT,
)
events = queue.SimpleQueue()
client.on("MESSAGE_CREATE", events.put)

window = tkinter.Tk()
window.title("vox_gateway")
state = tkinter.Label(window, anchor="w")
state.pack(fill="x")
messages = tkinter.Listbox(window, width=60)
messages.pack(fill="both", expand=True)


def refresh():
    state["text"] = f"{client.status}, {client.stats.events} events"
    while not events.empty():
        message = events.get()
        line = f"{message['author']['username']}: {message['content']}"
        messages.insert("end", line)
        print(line, flush=True)
        if message["content"] == "!stop":
            window.destroy()
            return
    window.after(100, refresh)


refresh()
with client:
    window.mainloop()
