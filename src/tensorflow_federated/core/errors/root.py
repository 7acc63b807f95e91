"""The root of all errors, which builds their messages."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow_federated.core import callsites

# Columns between the start of a label (`where:`) and its text, as wide as `argument[1]: `.
LABEL_WIDTH = 13
_LONGEST_SIGNATURE = 400


class FederatedError(Exception):
    """The root of all errors that this package raises on purpose.

    A class with `known_as` shows that name as its `__name__`: programs written for TFF look at
    `type(error).__name__`, where TFF raised a built-in class. Its `__qualname__`, which a traceback
    prints, is the name of the law.

    Attributes:
      summary: One sentence: what cannot be done.
      problems: Each thing that is wrong, as `label: text`.
      signature: The signature that was broken, in type notation; None where there is none. The
        message shortens a long one.
      where: The user's line, `file.py:line in `function``; None if no user code is on the stack.
      fix: What to write instead; None where nothing general can be said.
    """

    def __init_subclass__(cls, *, known_as: str | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if known_as is not None:
            cls.__name__ = known_as

    def __init__(
        self,
        summary: str,
        *,
        problems: Sequence[str] = (),
        signature: object | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Builds the error.

        Args:
          summary: One sentence: what cannot be done.
          problems: Each thing that is wrong, as `label: text`.
          signature: A string or a type, printed with `str`.
          where: The user's line; found on the call stack if None.
          fix: What to write instead.
        """
        super().__init__(summary)
        self.summary: str = summary
        self.problems: tuple[str, ...] = tuple(problems)
        self.signature: str | None = None if signature is None else str(signature)
        self.where: str | None = callsites.find_user_line() if where is None else where
        self.fix: str | None = fix

    def __reduce__(self) -> tuple[object, ...]:
        # Without the constructor, which may take what the message is made of.
        return _restored, (type(self), self.summary), self.__dict__

    def __str__(self) -> str:
        lines = [self.summary]
        lines.extend(_indented(problem, 4) for problem in self.problems)
        for label, text in (
            ("signature:", self.signature),
            ("where:", self.where),
            ("fix:", self.fix),
        ):
            if text:
                shown = _shortened(text) if label == "signature:" else text
                lines.append(_indented(f"{label:<{LABEL_WIDTH}}{shown}", 2 + LABEL_WIDTH))
        return "\n".join(lines)


def _restored(cls: type[FederatedError], summary: str) -> FederatedError:
    """An error as it was, but for its attributes."""
    return cls.__new__(cls, summary)


def _shortened(signature: str) -> str:
    """A signature without its middle, if it is that of a whole learning process."""
    if len(signature) <= _LONGEST_SIGNATURE:
        return signature
    half = _LONGEST_SIGNATURE // 2
    return f"{signature[:half]} ... {signature[-half:]}"


def _indented(text: str, continuation: int) -> str:
    """Indents the first line by two columns and the others by `continuation`."""
    return "  " + text.replace("\n", "\n" + " " * continuation)
