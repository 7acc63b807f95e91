"""Reads types in type notation: the inverse of printing them.

The notation, with the loosest binding first::

    type       member ['@' placement] | '{' member '}' '@' placement
    member     atom {'*'}
    atom       dtype ['[' sizes ']'] | "'" dtype "'(shape=None)" | 'placement' | LETTER
               | '<' [element {',' element}] '>' | '(' [type] '->' type ')'
    element    [name '='] type
    sizes      ('?' | number) {',' ('?' | number)}

A letter is an upper-case name, such as `T` or `U`; it stands for any type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tensorflow_federated.core import dtypes, errors, placements, types
from tensorflow_federated.core.types import Type

_TOKEN = re.compile(
    r"\s*(?:(?P<unknown>'(?P<unknown_dtype>\w+)'\(shape=None\))|(?P<word>\w+)|(?P<sign>->|[<>(){}\[\],=@*?]))"
)


def parse_type(text: str) -> Type:
    """Returns the type that is written in type notation.

    Python containers are not part of the notation: structs come back as `StructType`.

    Args:
      text: A type, as `str` prints it; white space does not matter.

    Returns:
      The type, equivalent to the one that was printed.

    Raises:
      ToTypeError: If the text is not in type notation.
      StructureError: If it is, but no such type exists, such as a sequence of functions.

    Examples:
      >>> print(parse_type("( {float32[?,3]}@CLIENTS -> <x=int32*, T>@SERVER )"))
      ({float32[?,3]}@CLIENTS -> <x=int32*,T>@SERVER)
    """
    return _Parser(text).parse()


class _Parser:
    """A recursive-descent parser, one method for each rule of the notation."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._next = 0

    def parse(self) -> Type:
        result = self._type()
        if self._peek():
            raise self._error("the end")
        return result

    def _split(self, text: str) -> Iterator[tuple[str, int]]:
        """Yields each token and where it starts; the last one is empty."""
        position = 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                start = position + len(text[position:]) - len(text[position:].lstrip())
                raise _not_a_type(text, start, f"{text[start]!r} has no meaning here")
            yield match.group(0).strip(), match.end() - len(match.group(0).strip())
            position = match.end()
        yield "", end

    def _peek(self, ahead: int = 0) -> str:
        position = min(self._next + ahead, len(self._tokens) - 1)
        return self._tokens[position][0]

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _accept(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._next += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._error(f"`{sign}`")

    def _error(self, expected: str) -> errors.ToTypeError:
        token, start = self._tokens[min(self._next, len(self._tokens) - 1)]
        got = f"`{token}`" if token else "the end"
        return _not_a_type(self._text, start, f"expected {expected}, got {got}")

    def _type(self) -> Type:
        if self._accept("{"):
            member = self._member()
            self._expect("}")
            self._expect("@")
            return types.FederatedType(member, self._placement(), all_equal=False)
        member = self._member()
        if self._accept("@"):
            return types.FederatedType(member, self._placement(), all_equal=True)
        return member

    def _member(self) -> Type:
        result = self._atom()
        while self._accept("*"):
            result = types.SequenceType(result)
        return result

    def _atom(self) -> Type:
        if self._accept("<"):
            return self._struct()
        if self._accept("("):
            return self._function()
        word = self._peek()
        if word.startswith("'"):
            return self._tensor_of_unknown_rank()
        dtype = dtypes.dtype_from_name(word)
        if dtype is not None:
            self._take()
            return types.TensorType(dtype, self._sizes())
        if word == "placement":
            self._take()
            return types.PlacementType()
        if word[:1].isupper():
            return types.AbstractType(self._take())
        raise self._error("a type")

    def _tensor_of_unknown_rank(self) -> Type:
        name = self._peek().partition("(")[0].strip("'")
        dtype = dtypes.dtype_from_name(name)
        if dtype is None:
            raise self._error("a dtype")
        self._take()
        return types.TensorType(dtype, None)

    def _sizes(self) -> tuple[int | None, ...]:
        if not self._accept("["):
            return ()
        sizes = [self._size()]
        while self._accept(","):
            sizes.append(self._size())
        self._expect("]")
        return tuple(sizes)

    def _size(self) -> int | None:
        if self._accept("?"):
            return None
        if not self._peek().isdecimal():
            raise self._error("a size or `?`")
        return int(self._take())

    def _struct(self) -> Type:
        elements: list[tuple[str | None, Type]] = []
        if self._accept(">"):
            return types.StructType(elements)
        elements.append(self._element())
        while self._accept(","):
            elements.append(self._element())
        self._expect(">")
        return types.StructType(elements)

    def _element(self) -> tuple[str | None, Type]:
        name = None
        if self._peek(1) == "=":
            name = self._take()
            if not re.fullmatch(r"\w+", name):
                self._next -= 1
                raise self._error("a name")
            self._take()
        return name, self._type()

    def _function(self) -> Type:
        parameter = None if self._peek() == "->" else self._type()
        self._expect("->")
        result = self._type()
        self._expect(")")
        return types.FunctionType(parameter, result)

    def _placement(self) -> placements.PlacementLiteral:
        for placement in (placements.CLIENTS, placements.SERVER):
            if self._accept(placement.name):
                return placement
        raise self._error("CLIENTS or SERVER")


def _not_a_type(text: str, position: int, problem: str) -> errors.ToTypeError:
    return errors.ToTypeError(
        "The text is not a type in type notation.",
        problems=[f"{problem}\n{text}\n{' ' * position}^"],
        fix="write a type as it prints, for example `({int32}@CLIENTS -> int32@SERVER)`.",
    )
