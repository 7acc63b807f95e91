"""Older names answer with the name of today."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated import learning
from tensorflow_federated.learning.older_api import framework, reconstruction, utils

NAMESPACES = {
    "tff.learning": (learning, learning._OLDER),
    "tff.learning.framework": (framework, framework._OLDER),
    "tff.learning.reconstruction": (reconstruction, reconstruction._OLDER),
    "tff.utils": (utils, utils._OLDER),
}


@pytest.mark.parametrize("owner", NAMESPACES)
def test_each_name_warns_at_the_line_that_uses_it(owner, golden):
    module, older = NAMESPACES[owner]
    told = []
    for name, each in sorted(older.items()):
        if each.today is None:
            continue
        with pytest.warns(FutureWarning) as caught:
            getattr(module, name)
        assert [warning.filename for warning in caught] == [__file__]
        told.append(str(caught[0].message))
    golden.check(owner, "\n".join(told))


def test_older_names_are_not_listed():
    assert "from_keras_model" not in dir(tff.learning)
    assert "utils" not in dir(tff)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("tff.learning", "ClientFedAvg"),
        ("tff.learning.framework", "ClientDeltaFn"),
        ("tff.utils", "StatefulAggregateFn"),
        ("tff.utils", "update_stat"),
    ],
)
def test_names_that_are_gone_say_what_to_write(golden, owner, name):
    with pytest.raises(AttributeError) as caught:
        getattr(NAMESPACES[owner][0], name)
    golden.check(f"{owner}.{name}", str(caught.value))


@pytest.mark.filterwarnings("ignore:.*is a name of an older generation:FutureWarning")
def test_the_namespaces_hold_what_they_held():
    import tensorflow as tf

    weights_type = tff.to_type(([(np.float32, [3, 2]), (np.float32, [2])], []))
    broadcast = tff.learning.framework.build_stateless_broadcaster(model_weights_type=weights_type)
    assert str(broadcast.next.type_signature.result.result) == (
        "<<float32[3,2],float32[2]>,<>>@CLIENTS"
    )
    mean = tff.learning.framework.build_stateless_mean(model_delta_type=np.float32)
    assert mean.next(mean.initialize(), [1.0, 4.0], [2.0, 1.0]).result == 2.0
    variables = {"a": tf.Variable(0.0), "b": [tf.Variable(1)]}
    tff.utils.assign(variables, {"a": 2.0, "b": [3]})
    assert (variables["a"].numpy(), variables["b"][0].numpy()) == (2.0, 3)
    assert tff.utils.update_state({"a": 1, "b": 2}, a=5) == {"a": 5, "b": 2}
    assert tff.utils.identity({"a": tf.constant(1)})["a"].numpy() == 1


@pytest.mark.filterwarnings("ignore:.*is a name of an older generation:FutureWarning")
def test_the_size_of_a_model():
    import tensorflow as tf

    def model_fn():
        return tff.learning.models.from_keras_model(
            tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2)]),
            tf.keras.losses.MeanSquaredError(),
            (tf.TensorSpec([None, 3]), tf.TensorSpec([None, 2])),
        )

    count = tff.learning.framework.parameter_count_from_model(model_fn)
    assert count == (2, 8, 0)
