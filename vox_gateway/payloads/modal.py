"""Forms that a user has filled in.

See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-modal-submit-data-structure
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from typing_extensions import NotRequired, TypedDict

from .resolved import ResolvedData

__all__ = [
    "FilledField",
    "ModalSubmitData",
    "SubmittedActionRow",
    "SubmittedCheckbox",
    "SubmittedComponent",
    "SubmittedLabel",
    "SubmittedRadioGroup",
    "SubmittedTextDisplay",
    "SubmittedTextInput",
    "SubmittedValues",
]


class _Submitted(TypedDict):
    id: NotRequired[int]


class SubmittedTextInput(_Submitted):
    """The text of a text input."""

    type: Literal[4]
    custom_id: str
    value: str


class SubmittedValues(_Submitted):
    """The values of a menu (3, 5 to 8), of uploaded files (19) or of checkboxes (22): texts or ids."""

    type: Literal[3, 5, 6, 7, 8, 19, 22]
    custom_id: str
    values: list[str]


class SubmittedRadioGroup(_Submitted):
    """The value that was chosen, if any."""

    type: Literal[21]
    custom_id: str
    value: str | None


class SubmittedCheckbox(_Submitted):
    """Whether a checkbox was ticked."""

    type: Literal[23]
    custom_id: str
    value: bool


#: A field of a form.
FilledField: TypeAlias = SubmittedTextInput | SubmittedValues | SubmittedRadioGroup | SubmittedCheckbox


class SubmittedLabel(_Submitted):
    """A label with its field."""

    type: Literal[18]
    component: FilledField


class SubmittedActionRow(_Submitted):
    """A row with text inputs, which labels have replaced."""

    type: Literal[1]
    components: list[SubmittedTextInput]


class SubmittedTextDisplay(_Submitted):
    """A text of the form."""

    type: Literal[10]


#: A component at the top level of a form.
SubmittedComponent: TypeAlias = SubmittedLabel | SubmittedActionRow | SubmittedTextDisplay


class ModalSubmitData(TypedDict):
    """The data of a form."""

    custom_id: str
    components: list[SubmittedComponent]
    resolved: NotRequired[ResolvedData]
