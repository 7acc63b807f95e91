"""Portable programs as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import dtypes
from tensorflow_federated.core.byte_format import Reader, Writer
from tensorflow_federated.core.portable_programs import (
    ARGUMENT_KINDS,
    Operation,
    PortableProgram,
    Position,
)
from tensorflow_federated.core.tensor_encoding import read_tensor, write_tensor
from tensorflow_federated.core.types import FunctionType, StructType, TensorType, Type, preorder

_POSITION, _TENSOR, _BOOL, _INT, _FLOAT, _COMPLEX = range(6)
_NUM_OPERANDS = 6


def write_portable(writer: Writer, program: PortableProgram) -> None:
    """Writes the operations of a program.

    Args:
      writer: where to write.
      program: the program; its type is not written.
    """
    writer.unsigned(len(program.operations))
    for operation in program.operations:
        writer.text(operation.name)
        kinds = ARGUMENT_KINDS[operation.name]
        for kind, argument in zip(kinds, operation.arguments, strict=True):
            _write_argument(writer, kind, argument)
    for result in program.results:
        _write_operand(writer, result)


def read_portable(reader: Reader, type_signature: FunctionType) -> PortableProgram:
    """Reads the operations of a program.

    Args:
      reader: where `write_portable` wrote.
      type_signature: the type of the program's function.

    Returns:
      The program.

    Raises:
      WireError: if there is no program.
    """
    leaf_types = [part for part in _data_types(reader, type_signature) if _is_leaf(part)]
    num_values = 0
    if type_signature.parameter is not None:
        num_values = sum(map(_is_leaf, preorder(type_signature.parameter)))
    num_results = len(leaf_types) - num_values
    operations: list[Operation] = []
    for _ in range(reader.count("operations")):
        name = reader.text()
        kinds = ARGUMENT_KINDS.get(name)
        if kinds is None:
            reader.fail(f"there is no operation {name!r:.80}", fix="install a newer release.")
        operations.append(
            Operation(name, tuple(_read_argument(reader, kind, num_values) for kind in kinds))
        )
        num_values += 1
    results = tuple(_read_operand(reader, num_values) for _ in range(num_results))
    return PortableProgram(type_signature, tuple(operations), results)


def _data_types(reader: Reader, type_signature: FunctionType) -> list[Type]:
    parts = list(preorder(type_signature))[1:]
    wrong = next((part for part in parts if not isinstance(part, (TensorType, StructType))), None)
    if wrong is not None:
        reader.fail(f"a portable computation has no {wrong.compact_representation():.80}")
    return parts


def _is_leaf(part: Type) -> bool:
    return isinstance(part, TensorType)


def _write_argument(writer: Writer, kind: str, argument: Any) -> None:
    match kind:
        case "a":
            _write_operand(writer, argument)
        case "A":
            writer.unsigned(len(argument))
            for each in argument:
                _write_operand(writer, each)
        case "d" | "D":
            writer.text("" if argument is None else dtypes.dtype_name(argument))
        case "s":
            writer.unsigned(len(argument))
            for size in cast("Sequence[int]", argument):
                writer.integer(size)
        case "p":
            writer.integer(argument)
        case _:
            axes = cast("int | tuple[int, ...] | None", argument)
            writer.unsigned(0 if axes is None else 1 if isinstance(axes, int) else 2)
            if isinstance(axes, int):
                writer.integer(axes)
            elif axes is not None:
                writer.unsigned(len(axes))
                for axis in axes:
                    writer.integer(axis)


def _read_argument(reader: Reader, kind: str, num_values: int) -> Any:
    match kind:
        case "a":
            return _read_operand(reader, num_values)
        case "A":
            return tuple(_read_operand(reader, num_values) for _ in range(reader.count("arrays")))
        case "d" | "D":
            name = reader.text()
            dtype = dtypes.dtype_from_name(name)
            if (dtype is None or dtypes.is_string(dtype)) and (name or kind == "d"):
                reader.fail(f"there is no dtype of numbers {name!r:.80}")
            return dtype
        case "s":
            return tuple(reader.integer() for _ in range(reader.count("sizes")))
        case "p":
            return reader.integer()
        case _:
            form = reader.choice(3, "axis")
            if form == 0:
                return None
            if form == 1:
                return reader.integer()
            return tuple(reader.integer() for _ in range(reader.count("axes")))


def _write_operand(writer: Writer, operand: Any) -> None:
    match operand:
        case Position(index=index):
            writer.unsigned(_POSITION)
            writer.unsigned(index)
        case np.ndarray() | np.generic():
            writer.unsigned(_TENSOR)
            array = cast("np.ndarray[Any, Any]", operand)
            write_tensor(writer, array, dtypes.as_dtype(array.dtype))
        case bool():
            writer.unsigned(_BOOL)
            writer.flag(operand)
        case int():
            writer.unsigned(_INT)
            writer.integer(operand)
        case float():
            writer.unsigned(_FLOAT)
            writer.real(operand)
        case _:
            writer.unsigned(_COMPLEX)
            writer.real(operand.real)
            writer.real(operand.imag)


def _read_operand(reader: Reader, num_values: int) -> Any:
    kind = reader.choice(_NUM_OPERANDS, "kind of operand")
    if kind == _POSITION:
        return Position(reader.choice(num_values, "operand"))
    if kind == _TENSOR:
        value, dtype = read_tensor(reader)
        if dtypes.is_string(dtype):
            reader.fail("a portable computation has no strings")
        return value
    if kind == _BOOL:
        return reader.flag()
    if kind == _INT:
        return reader.integer()
    if kind == _FLOAT:
        return reader.real()
    return complex(reader.real(), reader.real())
