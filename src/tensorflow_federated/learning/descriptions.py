"""How messages name what was given in place of something else."""

from __future__ import annotations

import re
from typing import Any

_RAISED = re.compile(r"^\s*\w+(?:Error|Exception): ", re.MULTILINE)
_CALLED_WITH = re.compile(r"\n\s*(?:Call arguments|Arguments) received by")
_COLOUR = re.compile(r"\x1b\[\d*m")


def described(value: Any) -> str:
    """Names a value in a message, without addresses in memory.

    Args:
      value: what was given.

    Returns:
      A class or a function by its name, a small value as it is, anything else by its class.

    Examples:
      >>> described(3), described(dict), described(described)
      ('3', 'the class `dict`', 'the function `described`')
    """
    if isinstance(value, type):
        return f"the class `{value.__name__}`"
    if hasattr(value, "__name__") and callable(value):
        return f"the function `{value.__name__}`"
    text = repr(value)
    if len(text) > 60 or " at 0x" in text:
        return with_article(type(value).__name__)
    return text


def with_article(noun: str) -> str:
    """Puts the indefinite article before a noun.

    Examples:
      >>> with_article("int"), with_article("function")
      ('an int', 'a function')
    """
    return f"an {noun}" if noun[:1].lower() in set("aeiou") else f"a {noun}"


def told(cause: Exception) -> str:
    r"""What an exception says, without the stack of AutoGraph and the arguments that Keras adds.

    Examples:
      >>> told(ValueError("no such axis\n\nArguments received by Dense.call():"))
      'no such axis'
    """
    text = _COLOUR.sub("", str(cause))
    raised = list(_RAISED.finditer(text))
    if raised:
        text = text[raised[-1].end() :]
    return " ".join(_CALLED_WITH.split(text)[0].split())[:400]
