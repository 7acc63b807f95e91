"""The namespace `tff.learning.framework` of TFF until 2022."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.namespaces import Older as _Older

_PACKAGE = "tensorflow_federated.learning"
_PARTS = f"{_PACKAGE}.older_api.framework_parts"

_OLDER = {
    "ModelWeights": _Older(
        f"{_PACKAGE}.models.model_weights", "`tff.learning.models.ModelWeights`."
    ),
    "ServerState": _Older(
        f"{_PACKAGE}.older_api.server_states",
        "`tff.learning.templates.LearningAlgorithmState`, the state of processes of "
        "`tff.learning.algorithms`.",
    ),
    "ClientOutput": _Older(_PARTS, "`tff.learning.templates.ClientResult`."),
    "build_stateless_broadcaster": _Older(
        _PARTS, "`tff.learning.templates.build_broadcast_process(value_type)`."
    ),
    "build_stateless_mean": _Older(
        _PARTS, "`tff.aggregators.MeanFactory().create(value_type, weight_type)`."
    ),
    "parameter_count_from_model": _Older(
        _PARTS, "`tff.types.count_tensors_in_type(weights_type)`."
    ),
    "weights_type_from_model": _Older(
        f"{_PACKAGE}.models", "`tff.learning.models.weights_type_from_model`."
    ),
    "state_with_new_model_weights": _Older(
        f"{_PACKAGE}.older_api.server_states", "`process.set_model_weights(state, weights)`."
    ),
}

_BY_TEMPLATES = (
    "write a `tff.learning.templates.ClientWorkProcess` and put the process together with "
    "`tff.learning.templates.compose_learning_process`."
)
_ENCODED = "give the algorithm `tff.learning.compression_aggregator()` as `model_aggregator`."
_REMOVED = {
    "ClientDeltaFn": _BY_TEMPLATES,
    "build_model_delta_optimizer_process": _BY_TEMPLATES,
    "EnhancedModel": "use the model itself: a `tff.learning.models.VariableModel`.",
    "enhance": "use the model itself: a `tff.learning.models.VariableModel`.",
    "build_encoded_broadcast_process": _ENCODED,
    "build_encoded_broadcast_process_from_model": _ENCODED,
    "build_encoded_mean_process": _ENCODED,
    "build_encoded_mean_process_from_model": _ENCODED,
    "build_encoded_sum_process": _ENCODED,
    "build_encoded_sum_process_from_model": _ENCODED,
}

__getattr__, __dir__ = _namespaces.module_functions(
    "tff.learning.framework", _OLDER, removed=_REMOVED, older=_OLDER
)
