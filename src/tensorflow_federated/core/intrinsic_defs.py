"""The intrinsics of the language: one declaration each, by which calls are explained."""

from __future__ import annotations

import dataclasses
from typing import Literal

Kind = Literal["local", "placement", "communication", "aggregation"]


@dataclasses.dataclass(frozen=True)
class IntrinsicDef:
    """The declaration of one intrinsic.

    Attributes:
      uri: its name in programs.
      signature: its type in type notation; capital letters are type variables.
      kind: whether it computes in place ("local", "placement"), sends from the server to the
        clients ("communication") or brings client values together ("aggregation").
      hint: what to do when a call does not fit.
    """

    uri: str
    signature: str
    kind: Kind
    hint: str


_DEFINITIONS = (
    IntrinsicDef(
        "federated_aggregate",
        "(<{T}@CLIENTS,U,(<U,T> -> U),(<U,U> -> U),(U -> R)> -> R@SERVER)",
        "aggregation",
        "`accumulate` takes (zero's type, a client's type), `merge` two of zero's type, "
        "`report` one.",
    ),
    IntrinsicDef(
        "federated_apply",
        "(<(T -> U),T@SERVER> -> U@SERVER)",
        "placement",
        "the function takes the type of the value at the server.",
    ),
    IntrinsicDef(
        "federated_broadcast",
        "(T@SERVER -> T@CLIENTS)",
        "communication",
        "only a value at the server can be broadcast.",
    ),
    IntrinsicDef(
        "federated_eval_at_clients",
        "(( -> T) -> {T}@CLIENTS)",
        "placement",
        "give a computation without parameters.",
    ),
    IntrinsicDef(
        "federated_eval_at_server",
        "(( -> T) -> T@SERVER)",
        "placement",
        "give a computation without parameters.",
    ),
    IntrinsicDef(
        "federated_map",
        "(<(T -> U),{T}@CLIENTS> -> {U}@CLIENTS)",
        "placement",
        "the function takes the type of one client's value.",
    ),
    IntrinsicDef(
        "federated_mean",
        "({T}@CLIENTS -> T@SERVER)",
        "aggregation",
        "cast the values to a float or complex dtype at the clients first.",
    ),
    IntrinsicDef(
        "federated_sum",
        "({T}@CLIENTS -> T@SERVER)",
        "aggregation",
        "sums need values at the clients, of numeric tensors.",
    ),
    IntrinsicDef(
        "federated_value_at_clients",
        "(T -> T@CLIENTS)",
        "placement",
        "give an unplaced value.",
    ),
    IntrinsicDef(
        "federated_value_at_server",
        "(T -> T@SERVER)",
        "placement",
        "give an unplaced value.",
    ),
    IntrinsicDef(
        "federated_weighted_mean",
        "(<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)",
        "aggregation",
        "weights must be placed at CLIENTS, one number per client.",
    ),
    IntrinsicDef(
        "federated_zip_at_clients",
        "(T -> {U}@CLIENTS)",
        "placement",
        "all values must be placed at CLIENTS.",
    ),
    IntrinsicDef(
        "federated_zip_at_server",
        "(T -> U@SERVER)",
        "placement",
        "all values must be placed at SERVER.",
    ),
    IntrinsicDef(
        "random_key",
        "( -> int64[2])",
        "local",
        "draw it in a function that is mapped over clients, outside of loops over sequences.",
    ),
    IntrinsicDef(
        "sequence_map",
        "(<(T -> U),T*> -> U*)",
        "local",
        "the function takes the type of one element.",
    ),
    IntrinsicDef(
        "sequence_reduce",
        "(<T*,U,(<U,T> -> U)> -> U)",
        "local",
        "the operator takes (zero's type, an element's type) and returns zero's type.",
    ),
    IntrinsicDef(
        "sequence_sum",
        "(T* -> T)",
        "local",
        "sums need a sequence of numeric tensors.",
    ),
)

_BY_URI = {definition.uri: definition for definition in _DEFINITIONS}


def get(uri: str) -> IntrinsicDef:
    """The declaration of an intrinsic, by its uri."""
    return _BY_URI[uri]
