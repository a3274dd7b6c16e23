"""Entitlements and subscriptions.

See: https://docs.discord.com/developers/monetization/overview
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake, Timestamp

__all__ = ["Entitlement", "Subscription"]


class Entitlement(TypedDict):
    """The right of a user or guild to a premium offering; the data of ENTITLEMENT_CREATE, ..._UPDATE and ..._DELETE.

    See: https://docs.discord.com/developers/resources/entitlement#entitlement-object
    """

    id: Snowflake
    sku_id: Snowflake
    application_id: Snowflake
    user_id: NotRequired[Snowflake]
    type: int
    deleted: bool
    starts_at: Timestamp | None
    ends_at: Timestamp | None
    guild_id: NotRequired[Snowflake]
    consumed: NotRequired[bool]


class Subscription(TypedDict):
    """A payment that recurs; the data of SUBSCRIPTION_CREATE, SUBSCRIPTION_UPDATE and SUBSCRIPTION_DELETE.

    See: https://docs.discord.com/developers/resources/subscription#subscription-object
    """

    id: Snowflake
    user_id: Snowflake
    sku_ids: list[Snowflake]
    entitlement_ids: list[Snowflake]
    renewal_sku_ids: list[Snowflake] | None
    current_period_start: Timestamp
    current_period_end: Timestamp
    status: int
    canceled_at: Timestamp | None
    country: NotRequired[str]
