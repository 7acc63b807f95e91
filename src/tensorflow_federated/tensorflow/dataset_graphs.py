"""What the graph that a dataset is written to tells of it."""

from __future__ import annotations

import itertools
from typing import Any

import tensorflow as tf

_IGNORE_EXTERNAL_STATE = 1
_REFUSE_EXTERNAL_STATE = 2
# The kind of resource that holds how far a shuffle is in its stream of random numbers.
_SEED_GENERATOR = b"SeedGenerator"
# Parts of the names of operations that draw random numbers for a dataset.
_RANDOM = ("Shuffle", "RandomDataset")

_copies = itertools.count()


def write(dataset: tf.data.Dataset) -> tuple[bytes | None, bool]:
    """Writes a dataset as a graph.

    Args:
      dataset: the dataset.

    Returns:
      The graph, None where the dataset has no written form; and whether the graph is all there is
      to it, with no Python code and no state outside.
    """
    variant = tf.data.experimental.to_variant(dataset)
    for policy in (_REFUSE_EXTERNAL_STATE, _IGNORE_EXTERNAL_STATE):
        try:
            graph = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=policy)
        except tf.errors.OpError:
            # Refused for its state; or, the second time, for a dataset that cannot be written.
            continue
        return graph.numpy(), policy == _REFUSE_EXTERNAL_STATE
    return None, False


def with_new_generators(graph: bytes) -> bytes | None:
    """Renames the generators of random numbers: TensorFlow makes new ones from the seeds.

    Args:
      graph: a dataset, written.

    Returns:
      The new graph; None if there is no generator in it.
    """
    if _SEED_GENERATOR not in graph:
        return None
    graph_def = tf.compat.v1.GraphDef.FromString(graph)
    for node in graph_def.node:
        for handle in node.attr["value"].tensor.resource_handle_val if node.op == "Const" else ():
            handle.name = f"tensorflow_federated/{next(_copies)}"
    return graph_def.SerializeToString()


def repeats(graph: bytes) -> bool:
    """Whether a dataset gives the same elements each time it is read afresh.

    Args:
      graph: a dataset, written, that needs no state from outside.

    Returns:
      False if it shuffles without a seed, or draws random numbers in a way that is not understood.
    """
    if not any(each.encode() in graph for each in _RANDOM):
        return True
    graph_def = tf.compat.v1.GraphDef.FromString(graph)
    constants = {node.name: node for node in graph_def.node if node.op == "Const"}
    inner = (node for function in graph_def.library.function for node in function.node_def)
    return not any(_is_random(node) for node in inner) and all(
        _is_seeded(node, constants) for node in graph_def.node if _is_random(node)
    )


def _is_random(node: Any) -> bool:
    return any(each in node.op for each in _RANDOM)


def _is_seeded(node: Any, constants: dict[str, Any]) -> bool:
    if node.op != "ShuffleDatasetV3":
        return False
    # Its inputs: the dataset, the size of the buffer, two halves of the seed, the generator.
    seeds = [constants.get(name.partition(":")[0]) for name in node.input[2:4]]
    known = [tf.make_ndarray(seed.attr["value"].tensor) for seed in seeds if seed is not None]
    return len(known) == len(seeds) and any(known)
