"""The gateway's answers to commands that a client sends after READY.

The functions are pure except that voice and presence updates change the world. An answer is an event for the
requesting session only, or for every session that sees the guild.

See: https://docs.discord.com/developers/events/gateway#sending-events
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import world as shapes
from ..protocol import intents as intent_bits
from ..protocol.limits import MinimumInterval
from ..protocol.opcodes import Op
from ..protocol.validation import MemberRequest, VoiceRequest
from ..world import STAGE_CHANNEL, VOICE_CHANNEL, Json, World

CHUNK_SIZE = 1000
MAX_PREFIX_MATCHES = 100


@dataclass(frozen=True)
class Answer:
    """An event in answer to a command; with ``to_all`` it goes to every session that sees it."""

    name: str
    data: Json
    to_all: bool = False


def presence_update(world: World, guilds: Iterable[Json], presence: Mapping[str, Any]) -> list[Answer]:
    """Publish the bot's new presence in every guild of the shard."""
    shown = "offline" if presence["status"] == "invisible" else presence["status"]
    answers = []
    for guild in guilds:
        own = world.member(guild["id"], world.bot_id)
        assert own is not None  # the world puts the bot into each of its guilds
        own |= {"status": shown, "activities": list(presence["activities"])}
        answers.append(Answer("PRESENCE_UPDATE", shapes.presence(own, guild_id=guild["id"]), to_all=True))
    return answers


def voice_update(world: World, session_id: str, request: VoiceRequest, endpoint: str) -> list[Answer]:
    """Join, move, mute or leave. A request for an unknown guild or a text channel is not answered."""
    guild = world.guilds.get(request.guild_id)
    if guild is None:
        return []
    states: list[Json] = guild["voice_states"]
    before = next((state for state in states if state["user_id"] == world.bot_id), None)
    if request.channel_id is None:
        if before is None:
            return []
    else:
        channel = world.channel(request.guild_id, request.channel_id)
        if channel is None or channel["type"] not in (VOICE_CHANNEL, STAGE_CHANNEL):
            return []
    state = _voice_state(session_id, world.bot_id, request)
    guild["voice_states"] = [other for other in states if other is not before]
    if request.channel_id is not None:
        guild["voice_states"].append(state)
    own = world.member(request.guild_id, world.bot_id)
    assert own is not None
    public_state = {**state, "guild_id": request.guild_id, "member": shapes.public_member(own)}
    answers = [Answer("VOICE_STATE_UPDATE", public_state, to_all=True)]
    if request.channel_id is not None and (before is None or before["channel_id"] != request.channel_id):
        server = {"token": secrets.token_hex(8), "guild_id": request.guild_id, "endpoint": endpoint}
        answers.append(Answer("VOICE_SERVER_UPDATE", server))
    return answers


def _voice_state(session_id: str, user_id: str, request: VoiceRequest) -> Json:
    return {
        "channel_id": request.channel_id,
        "user_id": user_id,
        "session_id": session_id,
        "deaf": False,
        "mute": False,
        "self_deaf": request.self_deaf,
        "self_mute": request.self_mute,
        "self_video": False,
        "suppress": False,
        "request_to_speak_timestamp": None,
    }


def guild_members(
    world: World,
    intents: int,
    request: MemberRequest,
    member_list_limiter: MinimumInterval,
    now: float,
) -> list[Answer]:
    """The matching members, in chunks; RATE_LIMITED when all members are requested too often.

    As on Discord, a request for all members without the GUILD_MEMBERS intent, or for a guild that the bot
    is not in, is never answered.

    See: https://docs.discord.com/developers/events/gateway-events#request-guild-members
    """
    guild = world.guilds.get(request.guild_id)
    if guild is None or (request.query == "" and not intents & intent_bits.GUILD_MEMBERS):
        return []
    nonce = _nonce(request)
    if request.asks_for_all:
        wait = member_list_limiter.wait(request.guild_id, now)
        if wait > 0:
            return [members_limited(request, wait)]
    found = _matching(guild, request)
    missing = sorted(set(request.user_ids) - {member["user"]["id"] for member in found}, key=request.user_ids.index)
    chunk_count = max(1, math.ceil(len(found) / CHUNK_SIZE))
    answers = []
    for index in range(chunk_count):
        part = found[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        chunk: Json = {
            "guild_id": request.guild_id,
            "members": [shapes.public_member(member) for member in part],
            "chunk_index": index,
            "chunk_count": chunk_count,
            **nonce,
        }
        if missing and index == 0:
            chunk["not_found"] = missing
        if request.presences and intents & intent_bits.GUILD_PRESENCES:
            chunk["presences"] = [shapes.presence(member) for member in part if member["status"] != "offline"]
        answers.append(Answer("GUILD_MEMBERS_CHUNK", chunk))
    return answers


def members_limited(request: MemberRequest, retry_after: float) -> Answer:
    """The refusal of a request that comes too soon.

    See: https://docs.discord.com/developers/events/gateway-events#rate-limited
    """
    meta = {"guild_id": request.guild_id, **_nonce(request)}
    limited = {"opcode": int(Op.REQUEST_GUILD_MEMBERS), "retry_after": round(retry_after, 3), "meta": meta}
    return Answer("RATE_LIMITED", limited)


def _nonce(request: MemberRequest) -> Json:
    return {} if request.nonce is None else {"nonce": request.nonce}


def _matching(guild: Json, request: MemberRequest) -> list[Json]:
    members: list[Json] = guild["members"]
    if request.query is None:
        wanted = set(request.user_ids)
        return [member for member in members if member["user"]["id"] in wanted]
    if request.query == "":
        return members[: request.limit] if request.limit else members
    prefix = request.query.casefold()
    matches = [
        member
        for member in members
        if any((name or "").casefold().startswith(prefix) for name in (member["user"]["username"], member["nick"]))
    ]
    return matches[: min(request.limit or MAX_PREFIX_MATCHES, MAX_PREFIX_MATCHES)]


def soundboard_sounds(world: World, guild_ids: Iterable[str]) -> list[Answer]:
    """An event for each guild that the bot is in.

    See: https://docs.discord.com/developers/events/gateway-events#request-soundboard-sounds
    """
    return [
        Answer(
            "SOUNDBOARD_SOUNDS",
            {
                "guild_id": guild_id,
                "soundboard_sounds": world.guilds[guild_id]["soundboard_sounds"],
            },
        )
        for guild_id in guild_ids
        if guild_id in world.guilds
    ]


def channel_info(world: World, guild_id: str, fields: frozenset[str]) -> list[Answer]:
    """The requested fields of each voice channel of the guild.

    See: https://docs.discord.com/developers/events/gateway-events#request-channel-info
    """
    if guild_id not in world.guilds:
        return []
    channels = [
        {"id": channel["id"], **{field: channel.get(field) for field in sorted(fields)}}
        for channel in world.guilds[guild_id]["channels"]
        if channel["type"] in (VOICE_CHANNEL, STAGE_CHANNEL)
    ]
    return [Answer("CHANNEL_INFO", {"guild_id": guild_id, "channels": channels})]
