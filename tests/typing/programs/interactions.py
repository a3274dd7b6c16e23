"""Interactions, told apart by their type."""

from vox_gateway import Client, events
from vox_gateway.payloads import Interaction

client = Client(token="...")


@client.on(events.INTERACTION_CREATE)
def answer(interaction: Interaction) -> None:
    reveal_type(interaction["token"])  # reveals: str
    if interaction["type"] == 2:
        reveal_type(interaction)  # reveals: CommandInteraction
        print(interaction["data"]["name"], interaction["channel_id"])
        if interaction["data"]["type"] == 1:
            for option in interaction["data"].get("options", []):
                if option["type"] == 3:
                    reveal_type(option["value"])  # reveals: str
                elif option["type"] == 4:
                    reveal_type(option["value"])  # reveals: int
                elif option["type"] == 1:
                    reveal_type(option)  # reveals: Subcommand
    elif interaction["type"] == 3:
        print(interaction["message"]["id"])
        if interaction["data"]["component_type"] == 5:
            reveal_type(interaction["data"]["resolved"]["users"])  # reveals: dict[str, User]
    elif interaction["type"] == 5:
        for row in interaction["data"]["components"]:
            if row["type"] == 18 and row["component"]["type"] == 4:
                reveal_type(row["component"]["value"])  # reveals: str
    elif interaction["type"] == 4:
        print(interaction["data"]["options"])
    print(interaction["data"]["name"])  # error: typeddict-item | reportGeneralTypeIssues
    print(interaction["mesage"])  # error: typeddict-item | reportGeneralTypeIssues
