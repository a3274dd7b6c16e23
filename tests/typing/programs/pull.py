"""Streams and waiting."""

from vox_gateway import Client, Event, events
from vox_gateway.payloads import MessageCreate

client = Client(token="...")


# -- good --------------------------------------------------------------------------------------------------------------

reveal_type(client.wait_for(events.MESSAGE_CREATE))  # reveals: MessageCreate
reveal_type(client.wait_for(events.READY, timeout=5)["user"]["id"])  # reveals: str
reveal_type(client.wait_for(events.MESSAGE_CREATE, lambda message: message["tts"]))  # reveals: MessageCreate
reveal_type(client.wait_for("MESSAGE_CREATE", lambda message: message["tts"]))  # reveals: Any
reveal_type(client.wait_for(events.HELLO)["d"]["heartbeat_interval"])  # reveals: int
client.wait_for(events.OPEN)

with client.stream(events.MESSAGE_CREATE) as messages:
    for event in messages:
        reveal_type(event)  # reveals: Event[MessageCreate]
        reveal_type(event.data)  # reveals: MessageCreate
        reveal_type(event.seq)  # reveals: int | None
    reveal_type(messages.get(timeout=1).data)  # reveals: MessageCreate
    reveal_type(messages.get_nowait().data["id"])  # reveals: str

for mixed in client.stream(events.MESSAGE_CREATE, events.MESSAGE_DELETE, maxsize=5, overflow="block"):
    reveal_type(mixed.data)  # reveals: Any
    if mixed.name == events.MESSAGE_CREATE:
        created: MessageCreate = mixed.data
        print(created["content"])
reveal_type(client.stream("MESSAGE_CREATE").get().data)  # reveals: Any
reveal_type(client.stream().get().data)  # reveals: Any


def work(event: Event[MessageCreate]) -> str:
    return event.data["content"]


# -- bad ---------------------------------------------------------------------------------------------------------------

client.wait_for(events.MESSAGE_CREATE, lambda message: message["contents"])  # error: typeddict-item | reportGeneralTypeIssues
print(client.wait_for(events.MESSAGE_CREATE)["contents"])  # error: typeddict-item | reportGeneralTypeIssues
client.wait_for(events.ERROR)  # error: arg-type | reportArgumentType reportCallIssue
client.stream(events.MESSAGE_CREATE, overflow="wait")  # error: call-overload | reportArgumentType reportCallIssue
work(client.stream(events.GUILD_CREATE).get())  # error: arg-type | reportArgumentType
