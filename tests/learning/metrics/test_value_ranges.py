"""`tff.learning.metrics.create_default_secure_sum_quantization_ranges`."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

metrics: Any = tff.learning.metrics
create = metrics.create_default_secure_sum_quantization_ranges
OD = collections.OrderedDict
UNFINALIZED_TYPE = tff.to_type(OD(a=[np.float32, np.float64], b=np.int32, c=OD(d=np.uint8)))


def test_ranges_of_integers_and_estimated_ranges():
    # Source: TFF 0.87.
    ranges = create(UNFINALIZED_TYPE)
    assert list(ranges) == ["a", "b", "c"]
    assert (ranges["b"], ranges["c"]) == ((0, 1048575), OD(d=(0, 1048575)))
    (lower, upper), (other_lower, other_upper) = ranges["a"]
    assert lower is None
    assert other_lower is None
    assert isinstance(upper, tff.templates.EstimationProcess)
    assert upper is other_upper


def test_the_bounds_are_of_the_kind_of_the_dtype():
    # Source: TFF 0.87.
    ranges = create(UNFINALIZED_TYPE, 0.5, 3.5, use_auto_tuned_bounds_for_float_values=False)
    assert ranges == OD(a=[(0.5, 3.5), (0.5, 3.5)], b=(1, 3), c=OD(d=(1, 3)))
    assert isinstance(create(tff.to_type(np.float32), 1, 5, False)[0], float)
    assert isinstance(create(tff.to_type(np.int32), 1.0, 5.0)[0], int)


def test_the_range_of_one_tensor():
    # Source: TFF 0.87.
    assert create(tff.to_type(np.int32)) == (0, 1048575)


WRONG = {
    "no integers": (lambda: create(UNFINALIZED_TYPE, 0.1, 0.9), ValueError),
    "nothing between": (lambda: create(UNFINALIZED_TYPE, 3, 3), ValueError),
    "text": (lambda: create(UNFINALIZED_TYPE, "x"), TypeError),
    "strings": (lambda: create(tff.to_type(OD(a=[np.str_]))), Exception),
    "booleans": (lambda: create(tff.to_type(OD(a=np.bool_))), Exception),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_what_has_no_range(make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make()
    golden.check(request.node.name, str(caught.value))
