"""The package of the back end where TensorFlow is not used, or not there."""

from __future__ import annotations


def test_importing_the_package_does_not_import_tensorflow(run_python):
    run_python(
        """
        import sys
        import numpy as np
        from tensorflow_federated import tensorflow
        from tensorflow_federated.core import types
        from tensorflow_federated.execution import sequences

        assert sequences.from_dataset([1, 2], types.TensorType(np.int32)) is None
        assert "tensorflow" not in sys.modules
        assert "keras" not in sys.modules
        """
    )


def test_without_tensorflow_the_error_says_what_to_install(run_python):
    printed = run_python(
        """
        import sys

        sys.modules["tensorflow"] = None
        from tensorflow_federated import tensorflow
        from tensorflow_federated.core import errors

        try:
            tensorflow.computation(lambda: 1)
        except errors.MissingExtraError as error:
            print(error.summary)
            print(error.fix)
        """
    )
    assert printed.splitlines() == [
        "`tff.tensorflow.computation` needs the extra `tensorflow`, which is not installed.",
        'pip install "tff-ng[tensorflow]"',
    ]


def test_a_broken_tensorflow_stays_visible_as_the_cause(run_python):
    printed = run_python(
        """
        import pathlib
        import sys

        pathlib.Path("tensorflow.py").write_text("raise ImportError('libgone.so is missing')")
        sys.path.insert(0, ".")
        from tensorflow_federated import tensorflow
        from tensorflow_federated.core import errors

        try:
            tensorflow.computation(lambda: 1)
        except errors.MissingExtraError as error:
            print(error.__cause__)
        """
    )
    assert printed == "libgone.so is missing\n"
