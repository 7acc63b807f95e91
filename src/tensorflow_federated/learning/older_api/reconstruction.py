"""The namespace `tff.learning.reconstruction` of TFF until 2023."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.namespaces import Older as _Older

_MODELS = "tensorflow_federated.learning.models"
_PARTS = "tensorflow_federated.learning.older_api.reconstruction_parts"
_PROCESSES = "tensorflow_federated.learning.older_api.reconstruction_processes"
_CLASS = "tff.learning.models.ReconstructionModel"

_OLDER = {
    "BatchOutput": _Older(
        _MODELS, "`tff.learning.models.ReconstructionBatchOutput`.", "ReconstructionBatchOutput"
    ),
    "ClientOutput": _Older(_PARTS, "`tff.learning.templates.ClientResult`."),
    "DatasetSplitFn": _Older(
        _MODELS,
        "`tff.learning.models.ReconstructionDatasetSplitFn`.",
        "ReconstructionDatasetSplitFn",
    ),
    "Model": _Older(_MODELS, f"`{_CLASS}`.", "ReconstructionModel"),
    "build_dataset_split_fn": _Older(_PARTS, f"`{_CLASS}.build_dataset_split_fn`."),
    "build_federated_evaluation": _Older(
        _PROCESSES, "`tff.learning.algorithms.build_fed_recon_eval`."
    ),
    "build_training_process": _Older(
        _PROCESSES,
        "`tff.learning.algorithms.build_fed_recon`, with optimizers of `tff.learning.optimizers`.",
    ),
    "from_keras_model": _Older(_PARTS, f"`{_CLASS}.from_keras_model_and_layers`."),
    "get_global_variables": _Older(_PARTS, f"`{_CLASS}.get_global_variables(model)`."),
    "get_local_variables": _Older(_PARTS, f"`{_CLASS}.get_local_variables(model)`."),
    "simple_dataset_split_fn": _Older(_PARTS, f"`{_CLASS}.simple_dataset_split_fn`."),
}

__getattr__, __dir__ = _namespaces.module_functions(
    "tff.learning.reconstruction", _OLDER, older=_OLDER
)
