"""What every aggregator promises. A new aggregator joins by a row in `ROWS`."""

from __future__ import annotations

import collections
import dataclasses
from concurrent import futures
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.backends import executor_contexts
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import trees
from tensorflow_federated.execution import contexts

VECTOR = tff.TensorType(np.float32, [2])
STRUCT = tff.to_type(collections.OrderedDict(a=np.float32, b=(np.float32, [2])))
FLOAT = tff.to_type(np.float32)

VECTORS = [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]]
STRUCTS = [{"a": 1.0, "b": [0.5, 2.0]}, {"a": -3.0, "b": [4.0, 0.0]}, {"a": 0.0, "b": [1.0, 1.0]}]
WEIGHTS = [1.0, 2.0, 5.0]


@dataclasses.dataclass(frozen=True)
class Row:
    """One aggregator.

    Attributes:
      factory: the aggregator.
      signature: the type of `next` for float32[2] values, and float32 weights, as TFF prints it.
      is_exact: whether the result is that of float32 arithmetic.
    """

    factory: Any
    signature: str
    is_exact: bool = True


SUM_SIGNATURE = (
    "(<state=<>@SERVER,value={float32[2]}@CLIENTS> -> "
    "<state=<>@SERVER,result=float32[2]@SERVER,measurements=<>@SERVER>)"
)
WEIGHTED_SUM_SIGNATURE = SUM_SIGNATURE.replace(
    "value={float32[2]}@CLIENTS", "value={float32[2]}@CLIENTS,weight={float32}@CLIENTS"
)
MEAN_SIGNATURE = (
    "(<state=<value_sum_process=<>,weight_sum_process=<>>@SERVER,value={float32[2]}@CLIENTS,"
    "weight={float32}@CLIENTS> -> <state=<value_sum_process=<>,weight_sum_process=<>>@SERVER,"
    "result=float32[2]@SERVER,measurements=<mean_value=<>,mean_weight=<>>@SERVER>)"
)
UNWEIGHTED_MEAN_SIGNATURE = (
    "(<state=<<>,<>>@SERVER,value={float32[2]}@CLIENTS> -> <state=<<>,<>>@SERVER,"
    "result=float32[2]@SERVER,measurements=<mean_value=<>,mean_count=<>>@SERVER>)"
)

QUERY_STATE = "<numerator_state=<l2_norm_clip=float32,stddev=float32>,denominator=float32>"
QUANTILE_STATE = (
    "<<current_estimate=float32,target_quantile=float32,learning_rate=float32,"
    "below_estimate_state=<>>,<>>"
)
DP_STATE = (
    f"<query_state={QUERY_STATE},agg_state=<>,"
    "dp_event=<module_name=str,class_name=str,noise_multiplier=float32>,is_init_state=bool>"
)
SECURE = (
    "<secure_upper_clipped_count=int32,secure_lower_clipped_count=int32,"
    "secure_upper_threshold=float32,secure_lower_threshold=float32>"
)


def signature(state: str, measurements: str) -> str:
    return (
        f"(<state={state}@SERVER,value={{float32[2]}}@CLIENTS> -> <state={state}@SERVER,"
        f"result=float32[2]@SERVER,measurements={measurements}@SERVER>)"
    )


def limiting(stem: str, norm: str = "<>", inner: str = "<>") -> str:
    return signature(
        f"<{stem}ing_norm={norm},inner_agg={inner},{stem}ed_count_agg=<>>",
        f"<{stem}ing={inner},{stem}ing_norm=float32,{stem}ed_count=int32>",
    )


def weighted(text: str) -> str:
    return text.replace("@CLIENTS", "@CLIENTS,weight={float32}@CLIENTS")


def measure(value: Any, *weight: Any) -> Any:
    return collections.OrderedDict(n=tff.federated_sum(tff.federated_value(1, tff.CLIENTS)))


AGG = tff.aggregators
# Far from where any value is clipped, so that clipping shows in other tests alone.
QUANTILE = AGG.PrivateQuantileEstimationProcess.no_noise(100.0, 0.5, 0.01)

ROWS = {
    "clipping": Row(AGG.clipping_factory(50.0, AGG.SumFactory()), limiting("clipp")),
    "clipping a mean": Row(
        AGG.clipping_factory(50.0, AGG.MeanFactory()),
        weighted(
            limiting("clipp").replace(
                "inner_agg=<>", "inner_agg=<value_sum_process=<>,weight_sum_process=<>>"
            )
        ).replace("<clipping=<>", "<clipping=<mean_value=<>,mean_weight=<>>"),
    ),
    "clipping to a quantile": Row(
        AGG.clipping_factory(QUANTILE, AGG.SumFactory()), limiting("clipp", QUANTILE_STATE)
    ),
    "zeroing": Row(AGG.zeroing_factory(50.0, AGG.SumFactory()), limiting("zero")),
    "zeroing by a quantile": Row(
        AGG.zeroing_factory(QUANTILE, AGG.SumFactory(), norm_order=1.0),
        limiting("zero", QUANTILE_STATE),
    ),
    "secure sum": Row(AGG.SecureSumFactory(64.0), signature("<>", SECURE)),
    "secure sum up to a quantile": Row(
        AGG.SecureSumFactory(QUANTILE),
        signature(QUANTILE_STATE, SECURE),
        is_exact=False,
    ),
    "private sum": Row(
        AGG.DifferentiallyPrivateFactory.gaussian_fixed(0.0, 1.0, 50.0),
        signature(DP_STATE, "<dp_query_metrics=<>,dp=<>>"),
    ),
    "after a Hadamard transform": Row(
        AGG.HadamardTransformFactory(), signature("<<>,int64[2]>", "<hd=<>>"), is_exact=False
    ),
    "after two Fourier transforms": Row(
        AGG.DiscreteFourierTransformFactory(AGG.clipping_factory(50.0, AGG.SumFactory()), 2),
        signature(
            "<<clipping_norm=<>,inner_agg=<>,clipped_count_agg=<>>,int64[2]>",
            "<dft=<clipping=<>,clipping_norm=float32,clipped_count=int32>>",
        ),
        is_exact=False,
    ),
    "encoded sum": Row(AGG.EncodedSumFactory.quantize_above_threshold(), SUM_SIGNATURE),
    "mean of encoded sums": Row(
        AGG.MeanFactory(AGG.EncodedSumFactory.quantize_above_threshold()), MEAN_SIGNATURE
    ),
    "vector": Row(AGG.concat_factory(AGG.SumFactory()), SUM_SIGNATURE),
    "vector mean": Row(AGG.concat_factory(AGG.MeanFactory()), MEAN_SIGNATURE),
    "measured": Row(
        AGG.add_measurements(AGG.SumFactory(), client_measurement_fn=measure),
        signature("<>", "<n=int32>"),
    ),
    "sum": Row(tff.aggregators.SumFactory(), SUM_SIGNATURE),
    "mean": Row(tff.aggregators.MeanFactory(), MEAN_SIGNATURE),
    "mean without nan": Row(tff.aggregators.MeanFactory(no_nan_division=True), MEAN_SIGNATURE),
    "unweighted mean": Row(tff.aggregators.UnweightedMeanFactory(), UNWEIGHTED_MEAN_SIGNATURE),
    "sum with weights": Row(
        tff.aggregators.as_weighted_aggregator(tff.aggregators.SumFactory()),
        WEIGHTED_SUM_SIGNATURE,
    ),
}


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> Row:
    return ROWS[request.param]


def is_weighted(row: Row) -> bool:
    return isinstance(row.factory, tff.aggregators.WeightedAggregationFactory)


def create(row: Row, value_type: tff.Type) -> tff.templates.AggregationProcess:
    types = (value_type, FLOAT) if is_weighted(row) else (value_type,)
    return row.factory.create(*types)


def run(row: Row, process: Any, values: list[Any], state: Any = None) -> Any:
    weights = [WEIGHTS[: len(values)]] if is_weighted(row) else []
    return process.next(process.initialize() if state is None else state, values, *weights)


def test_it_is_an_aggregation_factory(row):
    assert isinstance(row.factory, tff.aggregators.AggregationFactory)


def test_the_type_signature_is_that_of_tff(row):
    next_type = create(row, VECTOR).next.type_signature
    assert next_type.compact_representation() == row.signature


def test_the_process_is_weighted_if_the_factory_is(row):
    assert create(row, VECTOR).is_weighted == is_weighted(row)


def test_the_result_has_the_type_of_the_value(row):
    process = create(row, STRUCT)
    assert process.next.type_signature.result[1].member.is_identical_to(STRUCT)


def test_values_are_of_the_types_that_are_declared(row, engine):
    process = create(row, STRUCT)
    output = run(row, process, STRUCTS)
    assert type(output.result) is collections.OrderedDict
    assert [np.asarray(leaf).dtype for leaf in trees.leaves(output.result)] == [np.float32] * 2
    assert np.shape(output.result["b"]) == (2,)


def tolerance(row: Row) -> float:
    return 1e-7 if row.is_exact else 1e-5


def test_a_struct_within_all_limits_is_aggregated_leaf_by_leaf(row, engine):
    output = run(row, create(row, STRUCT), STRUCTS)
    leaf_type = tff.TensorType(np.float32, [2])
    alone = run(row, create(row, leaf_type), [each["b"] for each in STRUCTS])
    np.testing.assert_allclose(output.result["b"], alone.result, rtol=tolerance(row))


def test_the_state_that_is_returned_is_taken_again(row, engine):
    process = create(row, VECTOR)
    first = run(row, process, VECTORS)
    second = run(row, process, VECTORS, state=first.state)
    np.testing.assert_allclose(first.result, second.result, rtol=tolerance(row))
    assert process.state_type.is_assignable_from(process.next.type_signature.result[0])


def test_zeros_give_zero(row, engine):
    output = run(row, create(row, VECTOR), [[0.0, 0.0]] * 3)
    np.testing.assert_array_equal(output.result, [0.0, 0.0])


def test_workers_do_not_change_what_comes_out(row):
    process = create(row, VECTOR)
    with futures.ThreadPoolExecutor(2) as executor:
        remote = executor_contexts.create_executor_context(executor, workers=2, seed=0)
        outputs = []
        for context in (contexts.create_local_context(seed=0), remote):
            with context_stack.install(context):
                outputs.append(run(row, process, VECTORS))
    for here, there in zip(*map(trees.leaves, outputs), strict=True):
        np.testing.assert_array_equal(here, there)


def test_one_client_is_enough(row, engine):
    output = run(row, create(row, VECTOR), [[3.0, -4.0]])
    np.testing.assert_allclose(output.result, [3.0, -4.0], rtol=tolerance(row))


@pytest.mark.parametrize(
    "value_type",
    [
        tff.SequenceType(np.float32),
        tff.FederatedType(np.float32, tff.CLIENTS),
        tff.to_type(np.str_),
        tff.to_type(np.bool_),
        tff.to_type(collections.OrderedDict(a=np.float32, b=np.str_)),
    ],
    ids=str,
)
def test_what_cannot_be_aggregated_is_a_type_error(row, value_type):
    with pytest.raises(TypeError):
        create(row, value_type)


def test_a_factory_makes_any_number_of_processes(row, engine):
    first, second = create(row, VECTOR), create(row, FLOAT)
    rtol = tolerance(row)
    np.testing.assert_allclose(run(row, first, [[1.0, 2.0]]).result, [1.0, 2.0], rtol=rtol)
    np.testing.assert_allclose(run(row, second, [5.0]).result, 5.0, rtol=rtol)
