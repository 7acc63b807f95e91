"""Signatures: what an intrinsic takes and gives, in type notation, and whether a call fits.

A signature is the type of a function, with capital letters for what differs from call to call::

    (<{T}@CLIENTS,U,(<U,T> -> U)> -> U@SERVER)

A call fits if there is one type for each letter, such that every argument can be used where its
parameter stands: for a letter that is the type of a value, or of the result of a function, what is
given must be assignable to it; what a function takes must be assignable from it. The types of the
letters then say the type of the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from tensorflow_federated.core import errors, placements, type_parsing
from tensorflow_federated.core.type_constraints import Constraint, Variables
from tensorflow_federated.core.types import (
    AbstractType,
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    Type,
)

Derivation: TypeAlias = Callable[[Variables], Type]
"""Computes the type of a letter that no argument shows, from those of the others."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a call.

    Attributes:
      text: `path: expected ..., got ...`; the path begins with the name of the parameter.
      error: the class of the error for it.
    """

    text: str
    error: type[errors.FederatedError] = errors.TypeMismatchError


@dataclasses.dataclass(frozen=True)
class Match:
    """What a signature says of a call.

    Attributes:
      result: the type of the result; None if the call does not fit.
      problems: why it does not fit.
    """

    result: Type | None
    problems: tuple[Problem, ...]


class Signature:
    """The type of an intrinsic, by which its calls are checked.

    Examples:
      >>> from tensorflow_federated.core.type_parsing import parse_type
      >>> signature = Signature("(<(T -> U),{T}@CLIENTS> -> {U}@CLIENTS)", ["fn", "arg"])
      >>> clients = parse_type("{int32}@CLIENTS")
      >>> print(signature.match([parse_type("(int32 -> bool)"), clients]).result)
      {bool}@CLIENTS
      >>> signature.match([parse_type("(str -> bool)"), clients]).problems[0].text
      'fn: expected (int32 -> U), got (str -> bool)'
    """

    def __init__(
        self,
        text: str,
        names: Sequence[str],
        constraints: Sequence[Constraint] = (),
        derived: Mapping[str, Derivation] | None = None,
    ) -> None:
        """Reads a signature.

        Args:
          text: the type, in type notation.
          names: the name of each parameter; several parameters are one structure in the text.
          constraints: what must hold of the types of the letters.
          derived: for each letter of the result that stands in no parameter, how to find its type.
        """
        function_type = type_parsing.parse_type(text)
        assert isinstance(function_type, FunctionType)
        self.text = text
        self.type = function_type
        self.names = tuple(names)
        self.constraints = tuple(constraints)
        self.derived = dict(derived or {})
        parameters = parameters_of(function_type, len(self.names))
        assert parameters is not None, f"{text} has not the parameters {names}"
        self.parameters = parameters

    def __str__(self) -> str:
        return self.text

    def match(self, arguments: Sequence[Type | None]) -> Match:
        """Finds the type of the result of a call, or what is wrong with the call.

        Args:
          arguments: the type of each argument; None where it is not known.

        Returns:
          The result type, or the problems, those of the first arguments first.
        """
        matching = _Matching(self, arguments)
        problems = tuple(matching.problems())
        if problems or None in arguments:
            return Match(None, problems)
        known = dict(matching.variables)
        for letter, derive in self.derived.items():
            known[letter] = derive(known)
        return Match(substitute(self.type.result, known), ())

    def parameter_of_function(self, position: int, arguments: Sequence[Type | None]) -> Type | None:
        """What a function that is the argument at a position will be applied to.

        Args:
          position: the position of a parameter that is a function.
          arguments: the type of each argument; None where it is not known yet.

        Returns:
          The type; None if the function takes nothing, or if not all its letters are known.
        """
        pattern = self.parameters[position]
        assert isinstance(pattern, FunctionType)
        known = _Matching(self, arguments).variables
        if pattern.parameter is None or not letters_of(pattern.parameter) <= known.keys():
            return None
        return substitute(pattern.parameter, known)

    def problems_of(self, function_type: FunctionType) -> list[str]:
        """What is wrong with the type at which an intrinsic of this signature stands in a program.

        Args:
          function_type: the type; its result may be more general than the signature says.

        Returns:
          The problems; none if it fits.
        """
        arguments = parameters_of(function_type, len(self.names))
        if arguments is None:
            return [f"parameter: expected {self.type.parameter}, got {function_type.parameter}"]
        matched = self.match(arguments)
        if matched.result is None:
            return [problem.text for problem in matched.problems]
        return function_type.result.differences(matched.result, path="result")


def parameters_of(function_type: FunctionType, count: int) -> tuple[Type, ...] | None:
    """The types of a number of parameters of a function; None if it has another number of them."""
    parameter = function_type.parameter
    if count == 0 or parameter is None:
        return () if count == 0 and parameter is None else None
    if count == 1:
        return (parameter,)
    if not isinstance(parameter, StructType) or len(parameter) != count:
        return None
    return tuple(parameter.children())


def letters_of(pattern: Type) -> set[str]:
    """The letters in a type."""
    if isinstance(pattern, AbstractType):
        return {pattern.label}
    return {letter for child in pattern.children() for letter in letters_of(child)}


def substitute(pattern: Type, variables: Variables) -> Type:
    """The type with types in the place of its letters; a letter that has none stays.

    Examples:
      >>> pattern = type_parsing.parse_type("(<T,U> -> U*)")
      >>> print(substitute(pattern, {"U": type_parsing.parse_type("int32")}))
      (<T,int32> -> int32*)
    """
    match pattern:
        case AbstractType():
            return variables.get(pattern.label, pattern)
        case FederatedType():
            member = substitute(pattern.member, variables)
            return FederatedType(member, pattern.placement, pattern.all_equal)
        case SequenceType():
            return SequenceType(substitute(pattern.element, variables))
        case FunctionType(parameter=None):
            return FunctionType(None, substitute(pattern.result, variables))
        case FunctionType(parameter=parameter):
            assert parameter is not None
            return FunctionType(
                substitute(parameter, variables), substitute(pattern.result, variables)
            )
        case StructType():
            return StructType(
                [(name, substitute(each, variables)) for name, each in pattern.items()]
            )
        case _:
            return pattern


@dataclasses.dataclass(frozen=True)
class _Use:
    """One place where a letter stands, and the type that an argument has there.

    A type that is `given` must be assignable to that of the letter; one that is not is what a
    function takes, and must be assignable from it.
    """

    position: int
    type: Type
    given: bool
    in_function: bool

    def fits(self, chosen: Type) -> bool:
        if self.given:
            return chosen.is_assignable_from(self.type)
        return self.type.is_assignable_from(chosen)


class _Matching:
    """One attempt to find types for the letters of a signature."""

    def __init__(self, signature: Signature, arguments: Sequence[Type | None]) -> None:
        self._signature = signature
        self._arguments = arguments
        self._uses: dict[str, list[_Use]] = {}
        self._misplaced: dict[int, Problem] = {}
        self._misshapen: set[int] = set()
        for position, (pattern, argument) in enumerate(
            zip(signature.parameters, arguments, strict=True)
        ):
            if argument is None:
                continue
            if isinstance(pattern, FunctionType) and isinstance(argument, FunctionType):
                uses = self._uses_in_function(pattern, argument, position)
                if uses is None:
                    self._misshapen.add(position)
                for letter, use in uses or []:
                    self._uses.setdefault(letter, []).append(use)
            else:
                self._read_value(pattern, argument, position)
        self.variables = {letter: _choose(uses) for letter, uses in self._uses.items()}

    def _read_value(self, pattern: Type, argument: Type, position: int) -> None:
        """Notes what an argument that is no function says of the letters."""
        name, whole = self._signature.names[position], self._arguments[position]
        match pattern:
            case AbstractType(label=letter):
                use = _Use(position, argument, given=True, in_function=False)
                self._uses.setdefault(letter, []).append(use)
            case FederatedType(placement=placement):
                if not isinstance(argument, FederatedType) or argument.placement is not placement:
                    self._misplaced[position] = Problem(
                        f"{name}: expected a value at {placement}, got {whole}",
                        errors.PlacementError,
                    )
                elif (
                    pattern.all_equal and not argument.all_equal and placement is placements.CLIENTS
                ):
                    self._misplaced[position] = Problem(
                        f"{name}: expected one value that all clients have, got {whole}",
                        errors.PlacementError,
                    )
                else:
                    self._read_value(pattern.member, argument.member, position)
            case SequenceType() if isinstance(argument, SequenceType):
                self._read_value(pattern.element, argument.element, position)
            case FunctionType() | SequenceType():
                kind = "function" if isinstance(pattern, FunctionType) else "sequence"
                self._misplaced[position] = Problem(f"{name}: expected a {kind}, got {whole}")
            case _:
                if not pattern.is_assignable_from(argument):
                    expected = self._signature.parameters[position]
                    self._misplaced[position] = Problem(f"{name}: expected {expected}, got {whole}")

    def _uses_in_function(
        self, pattern: Type, argument: Type, position: int, given: bool = True
    ) -> list[tuple[str, _Use]] | None:
        """What a function says of the letters; None if it has not the form of the pattern."""
        match pattern:
            case AbstractType(label=letter):
                return [(letter, _Use(position, argument, given, in_function=True))]
            case FunctionType() if isinstance(argument, FunctionType):
                if pattern.parameter is None or argument.parameter is None:
                    if pattern.parameter is not argument.parameter:
                        return None
                    return self._uses_in_function(pattern.result, argument.result, position, given)
                pairs = [
                    (pattern.parameter, argument.parameter, not given),
                    (pattern.result, argument.result, given),
                ]
            case StructType() if isinstance(argument, StructType) and len(argument) == len(pattern):
                children = zip(pattern.children(), argument.children(), strict=True)
                pairs = [(expected, actual, given) for expected, actual in children]
            case _:
                target, source = (pattern, argument) if given else (argument, pattern)
                is_concrete = not isinstance(pattern, (FunctionType, StructType))
                return [] if is_concrete and target.is_assignable_from(source) else None
        found: list[tuple[str, _Use]] = []
        for expected, actual, is_given in pairs:
            uses = self._uses_in_function(expected, actual, position, is_given)
            if uses is None:
                return None
            found.extend(uses)
        return found

    def problems(self) -> Iterator[Problem]:
        """What is wrong, argument by argument."""
        misfits = self._misfits()
        unfit = {*self._misplaced, *self._misshapen, *misfits}
        constrained = self._constraint_problems(unfit)
        for position, (name, argument) in enumerate(
            zip(self._signature.names, self._arguments, strict=True)
        ):
            if position in self._misplaced:
                yield self._misplaced[position]
            elif position in self._misshapen:
                yield Problem(f"{name}: expected {self._shown(position)}, got {argument}")
            elif position in misfits:
                yield from self._misfit_problems(position, misfits[position])
            else:
                yield from constrained.get(position, [])

    def _misfits(self) -> dict[int, list[str]]:
        """For each argument that does not fit, the letters that are the reason."""
        found: dict[int, list[str]] = {}
        for letter, uses in self._uses.items():
            for use in uses:
                if not use.fits(self.variables[letter]):
                    found.setdefault(use.position, []).append(letter)
        return found

    def _misfit_problems(self, position: int, letters: Sequence[str]) -> Iterator[Problem]:
        name, argument = self._signature.names[position], self._arguments[position]
        pattern = self._signature.parameters[position]
        deep = [
            use
            for letter in letters
            for use in self._uses[letter]
            if use.position == position
            and not use.fits(self.variables[letter])
            and _are_alike(use.type, self.variables[letter])
        ]
        assert argument is not None
        if isinstance(pattern, FunctionType) and not deep:
            yield Problem(f"{name}: expected {self._shown(position)}, got {argument}")
            return
        expected = substitute(pattern, self.variables)
        for text in expected.differences(argument, path=name):
            yield Problem(text)

    def _shown(self, position: int) -> Type:
        """The pattern of a function, with the types of the letters that others decide."""
        decided = {
            letter: self.variables[letter]
            for letter, uses in self._uses.items()
            if any(use.position != position for use in uses)
        }
        return substitute(self._signature.parameters[position], decided)

    def _constraint_problems(self, unfit: set[int]) -> dict[int, list[Problem]]:
        found: dict[int, list[Problem]] = {}
        for constraint in self._signature.constraints:
            uses = self._uses.get(constraint.letter, [])
            homes = [use for use in uses if use.given]
            homes.sort(key=lambda use: use.in_function)
            if not homes or unfit & {use.position for use in uses}:
                continue
            if any(letter not in self.variables for letter in constraint.needs):
                continue
            position = homes[0].position
            for path, part in constraint.misfits(self.variables):
                text = f"{self._path(position, path)}: expected "
                whole = part if path or homes[0].in_function else self._arguments[position]
                found.setdefault(position, []).append(
                    Problem(f"{text}{constraint.words}, got {whole}", constraint.error)
                )
        return found

    def _path(self, position: int, path: str) -> str:
        name, pattern = self._signature.names[position], self._signature.parameters[position]
        if isinstance(pattern, FunctionType):
            return f"{name}.result{path}"
        is_element = isinstance(pattern, SequenceType)
        return f"{name}[*]{path}" if is_element and path else f"{name}{path}"


def _choose(uses: Sequence[_Use]) -> Type:
    """The type of a letter: that of a use which the fewest arguments contradict.

    Of equals, the results of functions come first, for they are what a fold ends with; then the
    values, and what functions take last.
    """
    results = [use for use in uses if use.given and use.in_function]
    values = [use for use in uses if use.given and not use.in_function]
    taken = [use for use in uses if not use.given]

    def contradictions(candidate: _Use) -> int:
        return len({use.position for use in uses if not use.fits(candidate.type)})

    return min([*results, *values, *taken], key=contradictions).type


def _are_alike(one: Type, other: Type) -> bool:
    """Whether both are structures of one length, so that their differences lie deeper."""
    if not isinstance(one, StructType) or not isinstance(other, StructType):
        return False
    return len(one) == len(other) and len(one) > 0
