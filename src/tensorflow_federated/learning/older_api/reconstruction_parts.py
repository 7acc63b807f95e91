"""What `tff.learning.reconstruction` held besides processes."""

from __future__ import annotations

from typing import Any

import attrs

from tensorflow_federated.learning.models.reconstruction_model import ReconstructionModel

from_keras_model = ReconstructionModel.from_keras_model_and_layers
get_global_variables = ReconstructionModel.get_global_variables
get_local_variables = ReconstructionModel.get_local_variables
build_dataset_split_fn = ReconstructionModel.build_dataset_split_fn
simple_dataset_split_fn = ReconstructionModel.simple_dataset_split_fn


@attrs.frozen(eq=False)
class ClientOutput:
    """What a client computed.

    Attributes:
      weights_delta: the change of the global trainable variables.
      client_weight: how much it counts.
      model_output: what the metrics report.
    """

    weights_delta: Any
    client_weight: Any
    model_output: Any
