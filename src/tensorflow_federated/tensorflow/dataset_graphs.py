"""What the graph that a dataset is written to tells of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tensorflow_federated.tensorflow import graph_functions

_IGNORE_EXTERNAL_STATE = 1
_REFUSE_EXTERNAL_STATE = 2
# The kind of resource that holds how far a shuffle is in its stream of random numbers.
_SEED_GENERATOR = b"SeedGenerator"

# The operations of which it is known that they give the same for the same inputs and touch nothing
# outside. One that is missing here only means that a dataset is read at each use.
_PURE_DATASETS = """
AssertCardinalityDataset BatchDatasetV2 ConcatenateDataset DirectedInterleaveDataset FilterDataset
FlatMapDataset GroupByWindowDataset InterleaveDataset MapDataset PaddedBatchDatasetV2
PrefetchDataset RangeDataset RebatchDatasetV2 RepeatDataset ScanDataset ShardDataset SkipDataset
TakeDataset TakeWhileDataset TensorDataset TensorSliceDataset UnbatchDataset UniqueDataset
WindowDataset ZipDataset
"""
_PURE_TENSORS = """
Abs AddN AddV2 All Any ArgMax ArgMin AsString Assert BatchMatMulV2 BiasAdd Bitcast BroadcastTo
Bucketize Cast Ceil ClipByValue ConcatV2 Const Conv2D Cos Cumsum DecodeBase64 DecodeBmp DecodeCSV
DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw DepthwiseConv2dNative DivNoNan
DynamicPartition DynamicStitch Einsum Elu EncodeJpeg EncodePng EnsureShape Equal Erf Exp
ExpandDims Expm1 Fill Floor FloorDiv FloorMod GatherNd GatherV2 Greater GreaterEqual Identity
IdentityN If InvertPermutation IsFinite IsInf IsNan L2Loss Less LessEqual LinSpace Log Log1p
LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min Minimum
MirrorPad Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 ParseExampleV2 ParseSingleExample
PartitionedCall Pow Prod Range Rank RealDiv Reciprocal RegexFullMatch RegexReplace Relu Reshape
ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2 Rint Round Rsqrt
ScatterNd SelectV2 Shape ShapeN Sigmoid Sign Sin Size Slice Softmax Softplus Split SplitV Sqrt
Square SquaredDifference Squeeze StatefulPartitionedCall StatelessIf StatelessWhile StopGradient
StridedSlice StringFormat StringJoin StringLength StringLower StringNGrams StringSplitV2
StringStrip StringToHashBucketFast StringToNumber StringUpper Sub Substr Sum Tan Tanh
TensorScatterUpdate Tile TopKV2 Transpose TruncateDiv TruncateMod UnicodeDecode UnicodeEncode
Unique UniqueV2 Unpack UnsortedSegmentSum Where While Xdivy Xlogy ZerosLike _Arg _Retval
StatelessRandomGetKeyCounter StatelessRandomNormalV2 StatelessRandomUniformFullIntV2
StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormalV2
"""
_PURE = frozenset((_PURE_DATASETS + _PURE_TENSORS).split())
# They give their elements in a fixed order unless they are told not to.
_PARALLEL = frozenset(
    [
        "ParallelBatchDataset",
        "ParallelFilterDataset",
        "ParallelInterleaveDatasetV4",
        "ParallelMapDatasetV2",
    ]
)

_copies = itertools.count()


def write(dataset: tf.data.Dataset) -> tuple[bytes | None, bool]:
    """Writes a dataset as a graph.

    Args:
      dataset: the dataset.

    Returns:
      The graph, None where the dataset has no written form; and whether the graph is all there is
      to it, with no Python code and no state outside, as far as TensorFlow knows.
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
    shuffles: dict[tuple[str, str], str] = {}
    generators: dict[str, tuple[str, str]] = {}
    same: dict[str, str] = {}
    for node in graph_def.node:
        for handle in node.attr["value"].tensor.resource_handle_val if node.op == "Const" else ():
            generators[node.name] = (handle.container, handle.name)
            handle.name = f"tensorflow_federated/{next(_copies)}"
        # A dataset that is used twice is written twice. Its uses draw from one generator, so they
        # have to be one dataset again.
        for index, name in enumerate(node.input):
            node.input[index] = same.get(name, name)
        if node.op == "ShuffleDatasetV3" and node.input[4] in generators:
            same[node.name] = shuffles.setdefault(generators[node.input[4]], node.name)
    return graph_def.SerializeToString()


def repeats(graph: bytes) -> bool:
    """Whether a dataset is known to give the same elements each time it is read afresh.

    Args:
      graph: a dataset, written, that needs no state from outside.

    Returns:
      False if it shuffles without a seed, leaves the order of its elements open, reads files, or
      does anything of which it is not known here that it depends on its inputs alone.
    """
    graph_def = tf.compat.v1.GraphDef.FromString(graph)
    constants = {node.name: node for node in graph_def.node if node.op == "Const"}
    nodes = list(graph_functions.all_nodes(graph_def))
    functions = {function.signature.name for function in graph_def.library.function}
    # Options may say that the order does not matter; they are not read here.
    has_options = any(node.op == "OptionsDataset" for node in nodes)
    return all(
        node.op in _PURE
        or node.op in functions
        or node.op == "OptionsDataset"
        or (node.op in _PARALLEL and _keeps_order(node, has_options))
        for node in nodes
        if node.op != "ShuffleDatasetV3"
    ) and all(
        # A shuffle inside a function may get its seed from anywhere.
        _is_seeded(node, constants if index < len(graph_def.node) else {})
        for index, node in enumerate(nodes)
        if node.op == "ShuffleDatasetV3"
    )


def _keeps_order(node: Any, has_options: bool) -> bool:
    wanted = node.attr["deterministic"].s
    return wanted == b"true" or (wanted == b"default" and not has_options)


def _is_seeded(node: Any, constants: Mapping[str, Any]) -> bool:
    # Its inputs: the dataset, the size of the buffer, two halves of the seed, the generator.
    seeds = [constants.get(name.partition(":")[0]) for name in node.input[2:4]]
    known = [tf.make_ndarray(seed.attr["value"].tensor) for seed in seeds if seed is not None]
    return len(known) == len(seeds) and any(known)
