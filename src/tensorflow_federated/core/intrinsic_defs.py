"""The intrinsics of the language: one declaration each, which checks and explains its calls."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal

import numpy as np

from tensorflow_federated.core import (
    containers,
    dtypes,
    errors,
    placements,
    type_constraints,
    type_predicates,
)
from tensorflow_federated.core.signatures import Derivation, Signature
from tensorflow_federated.core.type_constraints import Constraint, Variables
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
)

LARGEST_BITWIDTH = 62
"""The largest number of bits of a value in a secure sum."""

Kind = Literal["local", "placement", "communication", "aggregation"]


@dataclasses.dataclass(frozen=True, eq=False)
class IntrinsicDef:
    """The declaration of one intrinsic.

    Attributes:
      uri: its name in programs.
      parameters: the name of each parameter.
      text: its type in type notation; capital letters are type variables. Several parameters are
        one structure.
      kind: whether it computes in place ("local", "placement"), sends from the server to the
        clients ("communication") or brings client values together ("aggregation").
      hint: what to do when a type does not fit.
      placement_hint: what to do when a placement does not fit; None where that is `hint` too.
      constraints: what must hold of the types of the variables.
      derived: for each variable of the result that stands in no parameter, how to find its type.
      is_secure: whether it promises privacy, which takes a protocol of its own in deployment.
      has_effect: whether it does something beside giving a result.
    """

    uri: str
    parameters: tuple[str, ...]
    text: str
    kind: Kind
    hint: str
    placement_hint: str | None = None
    constraints: tuple[Constraint, ...] = ()
    derived: Mapping[str, Derivation] = dataclasses.field(default_factory=dict[str, Derivation])
    is_secure: bool = False
    has_effect: bool = False

    @functools.cached_property
    def signature(self) -> Signature:
        """The type, by which calls are checked; prints as `text`."""
        return Signature(self.text, self.parameters, self.constraints, self.derived)

    @property
    def type_signature(self) -> FunctionType:
        """The type, with abstract types for the variables."""
        return self.signature.type

    @property
    def name(self) -> str:
        """Its name in capitals, by which it is found in `tff.framework`."""
        return self.uri.upper()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"IntrinsicDef({self.uri!r})"


def _numbers(letter: str) -> Constraint:
    return type_constraints.each_tensor(
        letter,
        "numeric tensors",
        type_predicates.is_sum_compatible,
        errors.SumIncompatibleError,
    )


def _averages(letter: str) -> Constraint:
    return type_constraints.each_tensor(
        letter,
        "float or complex tensors",
        type_predicates.is_average_compatible,
        errors.MeanIncompatibleError,
    )


def _ordered(letter: str) -> Constraint:
    return type_constraints.each_tensor(
        letter,
        "integer or float tensors of known shapes",
        lambda tensor: (
            (dtypes.is_integer(tensor.dtype) or dtypes.is_floating(tensor.dtype))
            and type_constraints.has_known_shape(tensor)
        ),
        errors.OrderIncompatibleError,
    )


def _integers(letter: str) -> Constraint:
    return type_constraints.each_tensor(
        letter,
        "integer tensors of known shapes",
        lambda tensor: dtypes.is_integer(tensor.dtype) and type_constraints.has_known_shape(tensor),
    )


def _tensors(letter: str) -> Constraint:
    return type_constraints.each_leaf(
        letter,
        "tensors, or structures of them",
        lambda part: isinstance(part, TensorType) or containers.is_composite(part),
    )


def _one_weight(letter: str) -> Constraint:
    return type_constraints.one_tensor(
        letter,
        "one integer or float per client",
        lambda tensor: (
            type_constraints.is_scalar(tensor)
            and (dtypes.is_integer(tensor.dtype) or dtypes.is_floating(tensor.dtype))
        ),
    )


def _keys(letter: str) -> Constraint:
    return type_constraints.one_tensor(
        letter,
        "int32[k] for a known number k of keys",
        lambda tensor: (
            tensor.dtype == np.int32
            and type_constraints.has_known_shape(tensor)
            and len(tensor.shape or ()) == 1
        ),
    )


def _unplaced_value(letter: str) -> Constraint:
    return type_constraints.without_placement(letter, "no placement and no function")


def _unplaced_result(letter: str) -> Constraint:
    return type_constraints.without_placement(letter, "a result without placements and functions")


def _all_at(letter: str, placement: placements.PlacementLiteral) -> Constraint:
    return type_constraints.each_leaf(
        letter,
        f"a value at {placement}",
        lambda part: isinstance(part, FederatedType) and part.placement is placement,
        errors.PlacementError,
    )


def _not_empty(letter: str) -> Constraint:
    def misfits(variables: Variables) -> list[tuple[str, Type]]:
        whole = variables[letter]
        return [] if any(True for _ in type_constraints.leaves(whole)) else [("", whole)]

    return Constraint(letter, "at least one value", misfits, errors.PlacementError)


def _members_of(letter: str) -> Derivation:
    """The type without its placements."""

    def members(type_signature: Type) -> Type:
        if isinstance(type_signature, FederatedType):
            return type_signature.member
        assert isinstance(type_signature, StructType)
        elements = [(name, members(element)) for name, element in type_signature.items()]
        if isinstance(type_signature, StructWithPythonType):
            return StructWithPythonType(elements, type_signature.python_container)
        return StructType(elements)

    return lambda variables: members(variables[letter])


_AT_THE_SERVER_ALREADY = (
    "a value at the server is one already: only values at the clients are aggregated."
)
_BROADCAST = "bring the values to one placement first, as with `tff.federated_broadcast`."
_CAST = "cast the values to a float or complex dtype at the clients first."
_KEYS = (
    "give keys of the type int32[k] at the clients, the number of keys as an int32 at the server, "
    "and a function of (the server's value, one key)."
)
_KEYS_PLACEMENT = (
    "the keys are at the clients; `max_key` and `server_val` are at the server, where "
    "`tff.federated_value(..., tff.SERVER)` places a constant."
)
_ONE_WEIGHT = "give one number per client, placed at CLIENTS, or one number for all of them."


def _secure(uri: str, parameter: str, letter: str, meaning: str) -> IntrinsicDef:
    """A secure sum, which is told a bound of the values."""
    return IntrinsicDef(
        uri=uri,
        parameters=("value", parameter),
        text=f"(<{{V}}@CLIENTS,{letter}> -> V@SERVER)",
        kind="aggregation",
        hint="secure sums are of integers: scale and round other numbers first; "
        f"`{parameter}` is an integer without placement, {meaning}.",
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_integers("V"), type_constraints.integer_for_each(letter, of="V")),
        is_secure=True,
    )


def _selection(uri: str, *, is_secure: bool) -> IntrinsicDef:
    return IntrinsicDef(
        uri=uri,
        parameters=("client_keys", "max_key", "server_val", "select_fn"),
        text="(<{K}@CLIENTS,int32@SERVER,T@SERVER,(<T,int32> -> U)> -> {U*}@CLIENTS)",
        kind="communication",
        hint=_KEYS,
        placement_hint=_KEYS_PLACEMENT,
        constraints=(_keys("K"), _tensors("U")),
        is_secure=is_secure,
    )


_DEFINITIONS = (
    IntrinsicDef(
        uri="federated_aggregate",
        parameters=("value", "zero", "accumulate", "merge", "report"),
        text="(<{T}@CLIENTS,U,(<U,T> -> U),(<U,U> -> U),(U -> R)> -> R@SERVER)",
        kind="aggregation",
        hint="`accumulate` takes (zero's type, a client's type), `merge` two of zero's type, "
        "`report` one.",
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_unplaced_value("U"), _unplaced_result("R")),
    ),
    IntrinsicDef(
        uri="federated_apply",
        parameters=("fn", "arg"),
        text="(<(T -> U),T@SERVER> -> U@SERVER)",
        kind="placement",
        hint="the function takes the type of the value at the server.",
        constraints=(_unplaced_result("U"),),
    ),
    IntrinsicDef(
        uri="federated_broadcast",
        parameters=("value",),
        text="(T@SERVER -> T@CLIENTS)",
        kind="communication",
        hint="only a value at the server can be broadcast.",
    ),
    IntrinsicDef(
        uri="federated_collect",
        parameters=("value",),
        text="({T}@CLIENTS -> T*@SERVER)",
        kind="aggregation",
        hint="only tensors, and structures of them, can be the elements of a sequence.",
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_tensors("T"),),
    ),
    IntrinsicDef(
        uri="federated_eval_at_clients",
        parameters=("fn",),
        text="(( -> T) -> {T}@CLIENTS)",
        kind="placement",
        hint="give a computation without parameters.",
        constraints=(_unplaced_result("T"),),
    ),
    IntrinsicDef(
        uri="federated_eval_at_server",
        parameters=("fn",),
        text="(( -> T) -> T@SERVER)",
        kind="placement",
        hint="give a computation without parameters.",
        constraints=(_unplaced_result("T"),),
    ),
    IntrinsicDef(
        uri="federated_map",
        parameters=("fn", "arg"),
        text="(<(T -> U),{T}@CLIENTS> -> {U}@CLIENTS)",
        kind="placement",
        hint="the function takes the type of one client's value.",
        constraints=(_unplaced_result("U"),),
    ),
    IntrinsicDef(
        uri="federated_map_all_equal",
        parameters=("fn", "arg"),
        text="(<(T -> U),T@CLIENTS> -> U@CLIENTS)",
        kind="placement",
        hint="the function takes the type of the value that all clients have.",
        placement_hint="give a value that all clients have, as after `tff.federated_broadcast`; "
        "`tff.federated_map` takes any.",
        constraints=(_unplaced_result("U"),),
    ),
    IntrinsicDef(
        uri="federated_max",
        parameters=("value",),
        text="({T}@CLIENTS -> T@SERVER)",
        kind="aggregation",
        hint="only integers and floats have a largest one.",
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_ordered("T"),),
    ),
    IntrinsicDef(
        uri="federated_mean",
        parameters=("value",),
        text="({T}@CLIENTS -> T@SERVER)",
        kind="aggregation",
        hint=_CAST,
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_averages("T"),),
    ),
    IntrinsicDef(
        uri="federated_min",
        parameters=("value",),
        text="({T}@CLIENTS -> T@SERVER)",
        kind="aggregation",
        hint="only integers and floats have a smallest one.",
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_ordered("T"),),
    ),
    IntrinsicDef(
        uri="federated_reduce",
        parameters=("value", "zero", "op"),
        text="(<{T}@CLIENTS,U,(<U,T> -> U)> -> U@SERVER)",
        kind="aggregation",
        hint="the operator takes (zero's type, a client's type) and returns zero's type.",
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_tensors("T"), _unplaced_value("U")),
    ),
    _secure("federated_secure_modular_sum", "modulus", "M", "1 or more"),
    _selection("federated_secure_select", is_secure=True),
    _secure("federated_secure_sum", "max_input", "M", "the largest value of a client"),
    _secure("federated_secure_sum_bitwidth", "bitwidth", "B", f"from 0 to {LARGEST_BITWIDTH}"),
    _selection("federated_select", is_secure=False),
    IntrinsicDef(
        uri="federated_sum",
        parameters=("value",),
        text="({T}@CLIENTS -> T@SERVER)",
        kind="aggregation",
        hint="sums need values at the clients, of numeric tensors.",
        placement_hint=_AT_THE_SERVER_ALREADY,
        constraints=(_numbers("T"),),
    ),
    IntrinsicDef(
        uri="federated_value_at_clients",
        parameters=("value",),
        text="(T -> T@CLIENTS)",
        kind="placement",
        hint="give an unplaced value.",
        constraints=(_unplaced_value("T"),),
    ),
    IntrinsicDef(
        uri="federated_value_at_server",
        parameters=("value",),
        text="(T -> T@SERVER)",
        kind="placement",
        hint="give an unplaced value.",
        constraints=(_unplaced_value("T"),),
    ),
    IntrinsicDef(
        uri="federated_weighted_mean",
        parameters=("value", "weight"),
        text="(<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)",
        kind="aggregation",
        hint=_ONE_WEIGHT,
        constraints=(_averages("T"), _one_weight("U")),
    ),
    IntrinsicDef(
        uri="federated_zip_at_clients",
        parameters=("value",),
        text="(T -> {U}@CLIENTS)",
        kind="placement",
        hint=_BROADCAST,
        constraints=(_not_empty("T"), _all_at("T", placements.CLIENTS)),
        derived={"U": _members_of("T")},
    ),
    IntrinsicDef(
        uri="federated_zip_at_server",
        parameters=("value",),
        text="(T -> U@SERVER)",
        kind="placement",
        hint=_BROADCAST,
        constraints=(_not_empty("T"), _all_at("T", placements.SERVER)),
        derived={"U": _members_of("T")},
    ),
    IntrinsicDef(
        uri="random_key",
        parameters=(),
        text="( -> int64[2])",
        kind="local",
        hint="draw it in a function that is mapped over clients, outside of loops over sequences.",
    ),
    IntrinsicDef(
        uri="reported_non_finite",
        parameters=("is_non_finite",),
        text="(bool -> bool)",
        kind="local",
        hint="report it in a function that is mapped over clients, outside of loops.",
        has_effect=True,
    ),
    IntrinsicDef(
        uri="server_random_key",
        parameters=(),
        text="( -> int64[2])",
        kind="local",
        hint="draw it in a function that the server evaluates, outside of loops over sequences.",
    ),
    IntrinsicDef(
        uri="sequence_map",
        parameters=("fn", "arg"),
        text="(<(T -> U),T*> -> U*)",
        kind="local",
        hint="the function takes the type of one element.",
        constraints=(_tensors("U"),),
    ),
    IntrinsicDef(
        uri="sequence_reduce",
        parameters=("value", "zero", "op"),
        text="(<T*,U,(<U,T> -> U)> -> U)",
        kind="local",
        hint="the operator takes (zero's type, an element's type) and returns zero's type.",
        constraints=(_unplaced_value("U"),),
    ),
    IntrinsicDef(
        uri="sequence_sum",
        parameters=("value",),
        text="(T* -> T)",
        kind="local",
        hint="sums need a sequence of numeric tensors.",
        constraints=(_numbers("T"),),
    ),
    # The compiler writes these; no function of the language does.
    IntrinsicDef(
        uri="checked_secure_sum",
        parameters=("value", "breaches", "aggregation"),
        text="(<V,N,str> -> V)",
        kind="local",
        hint="count the clients that broke what they promised, at the server.",
    ),
    IntrinsicDef(
        uri="numbered_random_key",
        parameters=("number",),
        text="(int32 -> int64[2])",
        kind="local",
        hint="number the draws of a client from 0.",
    ),
    IntrinsicDef(
        uri="numbered_server_random_key",
        parameters=("number",),
        text="(int32 -> int64[2])",
        kind="local",
        hint="number the draws of the server from 0.",
    ),
    IntrinsicDef(
        uri="sequence_of_keys",
        parameters=("keys", "max_key"),
        text="(<int32[?],int32> -> int32*)",
        kind="local",
        hint="the keys are at least 0, and less than `max_key`.",
    ),
)

_BY_URI = {definition.uri: definition for definition in _DEFINITIONS}


def get(uri: str) -> IntrinsicDef:
    """The declaration of an intrinsic, by its uri."""
    return _BY_URI[uri]


def uris() -> tuple[str, ...]:
    """The uris of all intrinsics."""
    return tuple(_BY_URI)
