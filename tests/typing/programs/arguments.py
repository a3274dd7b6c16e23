"""The arguments of the constructor and of methods."""

import threading

from vox_gateway import Client, ShardManager

# -- good --------------------------------------------------------------------------------------------------------------

client = Client(token="...", encoding="etf", compress="zstd-stream", handlers="caller")
Client(token="...", compress=True, json="orjson")
Client(token="...", compress=False, json=lambda document: {"op": 11})
client.presence_update(status="dnd")
reveal_type(client.connect(async_=True))  # reveals: Thread
reveal_type(client.connect())  # reveals: None
reveal_type(client.connect(async_=client.health()["ok"] is True))  # reveals: Thread | None
thread: threading.Thread = client.connect(True)
with ShardManager(token="...", shards=2) as manager:
    reveal_type(manager)  # reveals: ShardManager
    manager.reshard(4)

# -- bad ---------------------------------------------------------------------------------------------------------------

Client(token="...", encoding="jsn")  # error: arg-type | reportArgumentType
Client(token="...", compress="zlib")  # error: arg-type | reportArgumentType
Client(token="...", handlers="threads")  # error: arg-type | reportArgumentType
Client(token="...", json="ujson")  # error: arg-type | reportArgumentType
Client("...")  # error: call-arg | reportCallIssue
client.presence_update(status="away")  # error: arg-type | reportArgumentType
client.connect(async_="yes")  # error: call-overload | reportArgumentType reportCallIssue
client.connect().join()  # error: attr-defined | reportAttributeAccessIssue
