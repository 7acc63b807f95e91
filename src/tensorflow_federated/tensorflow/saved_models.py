"""TensorFlow computations as bytes: a SavedModel of one graph and one signature, in memory.

The graph holds everything: variables are `VarHandleOp`s, which the graph itself sets at every call,
tensors and tables that the author's function had from outside are constants, and so are datasets.
No checkpoint and no asset belongs to it, so nothing is written to disk or read from there.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tensorflow_federated.core import errors
from tensorflow_federated.core.byte_format import Limits
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import FunctionType
from tensorflow_federated.tensorflow import graph_checks, graph_functions, tracing, type_specs

_SIGNATURE = "serving_default"
_TAG = "serve"
_KEYS, _VALUES = "keys", "values"
_OUTPUT = "saved_output"

_KEPT_ATTRIBUTE = "_lower_using_switch_merge"
_GRADIENT = "_gradient_op_type"


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedFunction(tracing.TracedFunction):
    """A function that was read from bytes.

    Attributes:
      data: the bytes.
    """

    data: bytes


_substitutes: weakref.WeakKeyDictionary[LocalComputation, Callable[[], LocalComputation]] = (
    weakref.WeakKeyDictionary()
)


def encode_as(
    computation: LocalComputation, make_substitute: Callable[[], LocalComputation]
) -> None:
    """Says what travels in the place of a computation that calls Python.

    Args:
      computation: a computation that cannot travel itself.
      make_substitute: makes another computation of the same type; called once, when it is needed.
    """
    _substitutes[computation] = functools.cache(make_substitute)


def encode(computation: LocalComputation) -> bytes:
    """Turns the function of a computation into bytes; see `execution.backends.Backend`."""
    make_substitute = _substitutes.get(computation)
    if make_substitute is not None:
        computation = make_substitute()
    function: tracing.TracedFunction = computation.function
    if isinstance(function, LoadedFunction):
        return function.data
    concrete = function.concrete
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(concrete.graph.as_graph_def())
    captured = list(concrete.captured_inputs)
    arguments = concrete.inputs[: len(concrete.inputs) - len(captured)]
    placeholders = concrete.inputs[len(arguments) :]
    nodes = {node.name: node for node in graph_def.node}
    try:
        for outer, inner in zip(captured, placeholders, strict=True):
            _embed(graph_def, nodes[inner.op.name], outer, function.variables)
    except (tf.errors.OpError, ValueError, TypeError, KeyError) as error:
        raise errors.WireError(
            f"the TensorFlow computation `{computation.name}` cannot be turned into bytes.",
            problems=[f"captured from outside: {error!s:.400}"],
            fix="make in the computation what it uses, or pass it as an argument.",
        ) from error
    outputs = _add_outputs(graph_def, concrete)
    _forget_the_author(graph_def)
    graph_functions.rename(graph_def, "f{}")
    problems = list(graph_checks.problems(graph_def))
    if problems:
        raise errors.WireError(
            f"the TensorFlow computation `{computation.name}` cannot be turned into bytes: it does "
            "more than compute.",
            problems=problems,
            fix="read files and call Python outside of it, and pass what they give as an argument.",
        )
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta_graph = saved.meta_graphs.add()
    meta_graph.meta_info_def.tags.append(_TAG)
    meta_graph.graph_def.CopyFrom(graph_def)
    signature = meta_graph.signature_def[_SIGNATURE]
    signature.method_name = "tensorflow/serving/predict"
    for infos, names, tensors in (
        (signature.inputs, [each.name for each in arguments], arguments),
        (signature.outputs, outputs, concrete.outputs),
    ):
        for position, (name, tensor) in enumerate(zip(names, tensors, strict=True)):
            infos[str(position)].name = name
            infos[str(position)].dtype = tensor.dtype.as_datatype_enum
            infos[str(position)].tensor_shape.CopyFrom(tensor.shape.as_proto())
    return saved.SerializeToString(deterministic=True)


def _embed(graph_def: Any, node: Any, outer: tf.Tensor, variables: tuple[tf.Variable, ...]) -> None:
    """Writes what a function has from outside in the place of the node that stood for it."""
    name = node.name
    node.Clear()
    node.name = name
    if outer.dtype == tf.resource:
        variable = next((each for each in variables if each.handle is outer), None)
        if variable is not None:
            node.op = "VarHandleOp"
            node.attr["dtype"].type = variable.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(variable.shape.as_proto())
            node.attr["shared_name"].s = name.encode()
            return
        _embed_table(graph_def, node, outer)
    elif outer.dtype == tf.variant:
        _embed_dataset(graph_def, node, outer)
    else:
        _write_constant(node, outer)


def _write_constant(node: Any, value: tf.Tensor) -> None:
    node.op = "Const"
    node.attr["dtype"].type = value.dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))


def _embed_table(graph_def: Any, node: Any, handle: tf.Tensor) -> None:
    key_dtype, value_dtype = graph_functions.table_dtypes(graph_def, node.name)
    content = tf.raw_ops.LookupTableExportV2(
        table_handle=handle, Tkeys=key_dtype, Tvalues=value_dtype
    )
    node.op = "HashTableV2"
    node.attr["key_dtype"].type = key_dtype.as_datatype_enum
    node.attr["value_dtype"].type = value_dtype.as_datatype_enum
    node.attr["shared_name"].s = node.name.encode()
    # The order in which a table gives its content is not fixed.
    keys, values = (part.numpy() for part in content)
    order = sorted(range(len(keys)), key=lambda index: keys[index])
    for suffix, part, dtype in ((_KEYS, keys, key_dtype), (_VALUES, values, value_dtype)):
        constant = graph_def.node.add()
        constant.name = f"{node.name}/{suffix}"
        _write_constant(constant, tf.constant(part[order], dtype))


def _embed_dataset(graph_def: Any, node: Any, variant: tf.Tensor) -> None:
    serialized = tf.raw_ops.DatasetToGraphV2(
        input_dataset=variant, external_state_policy=2, strip_device_assignment=True
    )
    dataset = tf.compat.v1.GraphDef.FromString(serialized.numpy())
    node.op = "Identity"
    node.attr["T"].type = tf.variant.as_datatype_enum
    for inner in dataset.node:
        if inner.op == "_Retval":
            node.input.append(f"{node.name}/{inner.input[0]}")
            continue
        added = graph_def.node.add()
        added.CopyFrom(inner)
        added.name = f"{node.name}/{inner.name}"
        for position, source in enumerate(inner.input):
            is_control = source.startswith("^")
            moved = f"{node.name}/{source.removeprefix('^')}"
            added.input[position] = f"^{moved}" if is_control else moved
    known = {each.signature.name for each in graph_def.library.function}
    for function in dataset.library.function:
        if function.signature.name not in known:
            graph_def.library.function.add().CopyFrom(function)


def _add_outputs(graph_def: Any, concrete: Any) -> list[str]:
    """Adds an output for each result, which waits for all that the graph does beside it."""
    effects = sorted({operation.name for operation in concrete.graph.control_outputs})
    names: list[str] = []
    for position, tensor in enumerate(concrete.outputs):
        node = graph_def.node.add()
        node.name, node.op = f"{_OUTPUT}_{position}", "Identity"
        node.attr["T"].type = tensor.dtype.as_datatype_enum
        node.input.extend([tensor.name, *(f"^{effect}" for effect in effects)])
        names.append(f"{node.name}:0")
    return names


def _forget_the_author(graph_def: Any) -> None:
    """Removes what only says how the graph was made: places, devices, names in the source."""
    del graph_def.library.gradient[:]
    del graph_def.library.registered_gradients[:]
    for function in graph_def.library.function:
        function.attr.clear()
        function.arg_attr.clear()
    for node in graph_functions.all_nodes(graph_def):
        node.device = ""
        node.ClearField("experimental_debug_info")
        for name in [each for each in node.attr if each.startswith("_")]:
            if name == _GRADIENT:
                # The gradient itself is Python code: who asks for it gets an error, not another.
                node.attr[name].s = b"CustomGradient"
            elif name != _KEPT_ATTRIBUTE:
                del node.attr[name]
        for name in ("config_proto", "config", "executor_type"):
            if name in node.attr:
                node.attr[name].s = b""


def decode(data: bytes, type_signature: FunctionType, name: str, limits: Limits) -> LoadedFunction:
    """Reads the function of a computation from bytes; see `execution.backends.Backend`."""
    try:
        saved = saved_model_pb2.SavedModel.FromString(data)
        (meta_graph,) = saved.meta_graphs
        signature = meta_graph.signature_def[_SIGNATURE]
    except Exception as error:
        raise _error(name, ["no SavedModel of one graph is there"]) from error
    graph_def = meta_graph.graph_def
    inputs = [signature.inputs[str(i)].name for i in range(len(signature.inputs))]
    outputs = [signature.outputs[str(i)].name for i in range(len(signature.outputs))]
    _forget_the_author(graph_def)
    problems = list(graph_checks.problems(graph_def, limits))
    parameter_specs = type_specs.flat_specs(type_signature.parameter)
    result_specs = type_specs.flat_specs(type_signature.result)
    if len(inputs) != len(parameter_specs) or len(outputs) != len(result_specs):
        problems.append("the signature has not as many tensors as the type")
    if problems:
        raise _error(name, problems)
    # Graphs of one process share the names of their functions.
    graph_functions.rename(graph_def, f"wire_{hashlib.sha256(data).hexdigest()[:16]}_{{}}")
    resources = dict(_resources(graph_def))

    def run(*tensors: tf.Tensor) -> list[tf.Tensor]:
        graph: Any = tf.compat.v1.get_default_graph()
        mapped = {f"{node}:0": graph.capture(handle) for node, (handle, _) in resources.items()}
        imported = tf.graph_util.import_graph_def(
            graph_def,
            input_map={**dict(zip(inputs, tensors, strict=True)), **mapped},
            return_elements=outputs,
            name="",
        )
        for tensor, spec in zip(imported, result_specs, strict=True):
            if tensor.dtype != spec.dtype or not tensor.shape.is_compatible_with(spec.shape):
                raise ValueError(f"it gives {tensor}, where {spec} is declared")
        return [
            tensor if spec.dtype == tf.variant else tf.ensure_shape(tensor, spec.shape)
            for tensor, spec in zip(imported, result_specs, strict=True)
        ]

    try:
        # Unlike `tf.function`, this makes the functions of the graph known where it will run.
        concrete = tf.compat.v1.wrap_function(run, parameter_specs)
    except Exception as error:
        raise _error(name, [f"TensorFlow: {error!s:.400}"]) from error
    kept_alive: Any = tuple(owner for _, owner in resources.values())
    return LoadedFunction(concrete, kept_alive, data)


def _error(name: str, problems: list[str]) -> errors.WireError:
    return errors.WireError(
        f"the TensorFlow computation `{name}` cannot be read from these bytes.", problems=problems
    )


def _resources(graph_def: Any) -> Iterator[tuple[str, tuple[tf.Tensor, Any]]]:
    """Makes the variables and tables of a graph: for the name of its node the handle and owner."""
    nodes = {node.name: node for node in graph_def.node}
    for node in list(nodes.values()):
        if node.op == "VarHandleOp":
            shape = tf.TensorShape(node.attr["shape"].shape)
            dtype = tf.as_dtype(node.attr["dtype"].type)
            sizes = [] if shape.rank is None else [size or 0 for size in shape]
            variable = tf.Variable(tf.zeros(sizes, dtype), shape=shape)
            yield node.name, (variable.handle, variable)
        elif node.op == "HashTableV2":
            keys, values = (
                tf.make_ndarray(nodes[f"{node.name}/{suffix}"].attr["value"].tensor)
                for suffix in (_KEYS, _VALUES)
            )
            dtypes = [tf.as_dtype(node.attr[f"{part}_dtype"].type) for part in ("key", "value")]
            initializer = tf.lookup.KeyValueTensorInitializer(keys, values, *dtypes)
            # What is looked up in vain is told where it is looked up.
            default = tf.zeros([], dtypes[1]) if dtypes[1] != tf.string else tf.constant("")
            table: Any = tf.lookup.StaticHashTable(initializer, default)
            yield node.name, (table.resource_handle, table)
        else:
            continue
        graph_def.node.remove(node)
