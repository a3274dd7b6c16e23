"""Live stages.

See: https://docs.discord.com/developers/resources/stage-instance
"""

from __future__ import annotations

from typing_extensions import TypedDict

from .basics import Snowflake

__all__ = ["StageInstance"]


class StageInstance(TypedDict):
    """A live stage; the data of STAGE_INSTANCE_CREATE, STAGE_INSTANCE_UPDATE and STAGE_INSTANCE_DELETE.

    See: https://docs.discord.com/developers/resources/stage-instance#stage-instance-object
    """

    id: Snowflake
    guild_id: Snowflake
    channel_id: Snowflake
    topic: str
    privacy_level: int
    discoverable_disabled: bool
    guild_scheduled_event_id: Snowflake | None
