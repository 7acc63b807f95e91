"""Messages in four parts, the user's line, and the classes of errors."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tensorflow_federated.core import callsites, errors, structure, tracing, types


def _all_classes() -> list[type[errors.FederatedError]]:
    found = [errors.FederatedError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return sorted(set(found), key=lambda cls: cls.__name__)


# What a few errors are made of, in the place of a message; their arguments are TFF's.
MADE_OF = {"ProgramStateExistsError": {"version": 3, "path": "memory"}}
MADE_OF["ProgramStateNotFoundError"] = {"version": 3}


def made(cls: type[errors.FederatedError], **parts: Any) -> errors.FederatedError:
    """An error of a class, with the line `a.py:1`."""
    if cls.__name__ not in MADE_OF:
        return cls("No.", where="a.py:1", **parts)
    error: Any = cls
    error = error(**MADE_OF[cls.__name__])
    error.where = "a.py:1"
    return error


def test_message_has_its_parts_in_order():
    error = errors.PlacementError(
        "`federated_weighted_mean` cannot be applied to this argument.",
        problems=["argument[1]: expected {U}@CLIENTS, got float32@SERVER"],
        signature="(<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)",
        where="train.py:12 in `next_fn`",
        fix="weights must be placed at CLIENTS, one per client.",
    )
    assert str(error) == (
        "`federated_weighted_mean` cannot be applied to this argument.\n"
        "  argument[1]: expected {U}@CLIENTS, got float32@SERVER\n"
        "  signature:   (<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)\n"
        "  where:       train.py:12 in `next_fn`\n"
        "  fix:         weights must be placed at CLIENTS, one per client."
    )


def test_absent_parts_are_left_out():
    assert str(errors.TracingError("No.", where="a.py:1")) == "No.\n  where:       a.py:1"


def test_lines_of_a_long_part_stay_in_their_column():
    error = errors.TracingError("No.", where="a.py:1", fix="write\nthis")
    assert str(error).endswith("  fix:         write\n               this")


def test_parts_are_kept_as_attributes():
    error = errors.ArgumentError(
        "No.", problems=["a: b"], signature=types.to_type(np.int32), where="a.py:1", fix="do"
    )
    assert error.summary == "No."
    assert error.problems == ("a: b",)
    assert error.signature == "int32"
    assert error.where == "a.py:1"
    assert error.fix == "do"


def test_where_is_the_line_that_led_to_the_error():
    with pytest.raises(errors.ToTypeError) as caught:
        types.StructType([np.int32, object()])
    where = caught.value.where
    assert where is not None
    assert where.startswith("test_errors.py:")
    assert where.endswith(" in `test_where_is_the_line_that_led_to_the_error`")


def _raised_in(filename: str, module: str) -> str | None:
    """Runs code, as if from a file, that calls `find_user_line`."""
    namespace: dict[str, Any] = {"__name__": module, "find": callsites.find_user_line}
    exec(compile("def run():\n  return find()", filename, "exec"), namespace)
    run: Callable[[], str | None] = namespace["run"]
    return run()


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("<stdin>", "<stdin>:2 in `run`"),
        ("<ipython-input-3-abc>", "notebook cell:2 in `run`"),
        ("/tmp/ipykernel_71/1234.py", "notebook cell:2 in `run`"),
        ("<doctest guide.md[2]>", "<doctest guide.md[2]>:2 in `run`"),
        ("/home/user/train.py", "train.py:2 in `run`"),
    ],
)
def test_user_code_of_every_kind_is_found(filename: str, expected: str):
    assert _raised_in(filename, "__main__") == expected


@pytest.mark.parametrize(
    ("filename", "module"),
    [
        ("/usr/lib/site-packages/keras/layer.py", "keras.layer"),
        ("/tmp/__autograph_generated_file_x1.py", "__autograph_generated_file_x1"),
        ("<string>", "tensorflow_federated.core.ir"),
        (errors.__file__, "tensorflow_federated.core.errors"),
        (traceback.__file__, "traceback"),
    ],
)
def test_internal_code_is_passed_over(filename: str, module: str):
    where = _raised_in(filename, module)
    assert where is not None
    assert where.endswith(" in `_raised_in`")


def test_line_at_module_level_names_no_function():
    namespace: dict[str, Any] = {"__name__": "__main__", "find": callsites.find_user_line}
    exec(compile("\n\nwhere = find()", "/home/user/train.py", "exec"), namespace)
    assert namespace["where"] == "train.py:3"


@pytest.mark.parametrize("cls", _all_classes(), ids=lambda cls: cls.__name__)
def test_error_survives_pickling(cls: type[errors.FederatedError]):
    error = made(cls, problems=["a: b"], signature="(T -> T)", fix="do")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)


@pytest.mark.parametrize("cls", _all_classes(), ids=lambda cls: cls.__name__)
def test_error_prints_its_message_whatever_else_it_is(cls: type[errors.FederatedError]):
    error = made(cls)
    assert str(error).startswith(f"{error.summary}\n")
    assert "a.py:1" in str(error)


@pytest.mark.parametrize(
    "cls", [c for c in _all_classes() if c is not errors.FederatedError], ids=lambda c: c.__name__
)
def test_class_shows_a_failing_and_a_mended_program(cls: type[errors.FederatedError]):
    text = cls.__doc__ or ""
    assert "Fails" in text
    assert "Mended" in text


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (errors.TypeMismatchError, TypeError),
        (errors.PlacementError, TypeError),
        (errors.ArgumentError, TypeError),
        (errors.ToTypeError, TypeError),
        (errors.StructureError, ValueError),
        (errors.ElementNameError, AttributeError),
        (errors.ElementNameError, KeyError),
        (errors.ElementIndexError, IndexError),
        (errors.SumIncompatibleError, TypeError),
        (errors.MeanIncompatibleError, TypeError),
        (errors.InvalidNonAllEqualValueError, TypeError),
        (errors.CardinalityError, ValueError),
        (errors.TracingError, ValueError),
        (errors.ModelError, TypeError),
        (errors.ModelValueError, ValueError),
        (errors.OptimizerError, ValueError),
        (errors.DatasetError, ValueError),
        (errors.DownloadError, OSError),
        (errors.ClientError, RuntimeError),
        (errors.MissingExtraError, ImportError),
        (errors.RemovedNameError, AttributeError),
    ],
)
def test_class_is_what_tff_raised(cls: type[Exception], builtin: type[Exception]):
    assert issubclass(cls, builtin)
    assert issubclass(cls, errors.FederatedError)


def test_client_error_tells_which_client_and_when():
    error = errors.ClientError(
        "The local step failed.",
        client_index=3,
        client_id="f0042",
        stage="local step",
        round_number=7,
        where="a.py:1",
    )
    assert str(error) == (
        "The local step failed.\n"
        "  client:      3 ('f0042')\n"
        "  stage:       local step\n"
        "  round:       7\n"
        "  where:       a.py:1"
    )
    assert (error.client_index, error.client_id) == (3, "f0042")
    assert (error.stage, error.round_number) == ("local step", 7)


def test_client_error_keeps_its_attributes_in_a_pickle():
    copy = pickle.loads(pickle.dumps(errors.ClientError("No.", client_index=3, round_number=7)))
    assert (copy.client_index, copy.round_number) == (3, 7)


def test_missing_extra_says_what_to_install():
    error = errors.missing_extra("tensorflow", "`tff.tensorflow.computation`")
    assert error.summary == (
        "`tff.tensorflow.computation` needs the extra `tensorflow`, which is not installed."
    )
    assert error.fix == 'pip install "tff-ng[tensorflow]"'


def test_unknown_name_proposes_the_nearest():
    error = errors.unknown_name("tff", "federated_averge", ["federated_average", "to_type"])
    assert error.summary == "`tff` has no attribute `federated_averge`."
    assert error.fix == "did you mean `tff.federated_average`?"


def test_unknown_name_proposes_nothing_far_off():
    assert errors.unknown_name("tff", "zebra", ["federated_average"]).fix is None


def _inner(obj: object) -> types.Type:
    return types.to_type(obj)


_entry_point = errors.boundary(types.to_type)


def _frames(caught: pytest.ExceptionInfo[BaseException]) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_boundary_hides_internal_frames():
    with pytest.raises(errors.ToTypeError) as caught:
        _entry_point(3)
    assert _frames(caught) == ["test_boundary_hides_internal_frames"]


def test_boundary_keeps_the_users_frames():
    wrapped = errors.boundary(lambda: [_inner(3)])
    with pytest.raises(errors.ToTypeError) as caught:
        wrapped()
    assert _frames(caught) == ["test_boundary_keeps_the_users_frames", "<lambda>", "_inner"]


def test_boundary_shows_all_frames_on_request(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TFF_FULL_TRACEBACKS", "1")
    with pytest.raises(errors.ToTypeError) as caught:
        _entry_point(3)
    assert "to_type" in _frames(caught)


def test_boundary_leaves_the_exception_that_the_user_is_handling():
    def handle() -> None:
        try:
            raise KeyError("before")
        except KeyError:
            _entry_point(3)

    with pytest.raises(errors.ToTypeError) as caught:
        handle()
    assert isinstance(caught.value.__context__, KeyError)
    assert not caught.value.__suppress_context__


def test_what_the_users_code_raises_shows_no_frames_of_this_package():
    def fail(x: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        structure.map_structure(fail, structure.Struct.named(a=1))
    assert _frames(caught) == [
        "test_what_the_users_code_raises_shows_no_frames_of_this_package",
        "fail",
    ]


def test_a_call_of_a_class_is_told_by_its_name():
    with pytest.raises(errors.ArgumentError, match="`TensorType` cannot be called") as caught:
        types.TensorType(shape=[3])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert caught.value.signature == "TensorType(dtype, shape=())"


def test_boundary_passes_other_exceptions_unchanged():
    def fail() -> None:
        raise KeyError("a")

    with pytest.raises(KeyError) as caught:
        errors.boundary(fail)()
    assert "fail" in _frames(caught)


def test_boundary_keeps_name_and_result():
    def double(x: int) -> int:
        return 2 * x

    wrapped = errors.boundary(double)
    assert wrapped(4) == 8
    assert wrapped.__name__ == "double"


def test_the_name_is_that_of_the_builtin_that_tff_raised():
    assert errors.PlacementError.__name__ == "TypeError"
    assert errors.PlacementError.__qualname__ == "PlacementError"
    assert errors.SumIncompatibleError.__name__ == "SumIncompatibleError"


@errors.boundary
def _build(model_fn, learning_rate=0.1, *, momentum=None):
    return model_fn()


@pytest.mark.parametrize(
    ("args", "keywords", "problem", "fix"),
    [
        ((), {}, "missing 1 required positional argument: 'model_fn'", "that the signature names"),
        ((print,), {"learnin_rate": 1}, "learnin_rate", "write `learning_rate` for `learnin_rate`"),
        ((print, 1, 2), {}, "takes from 1 to 2 positional arguments", "that the signature names"),
    ],
)
def test_arguments_that_do_not_fit_an_entry_point_are_told(args, keywords, problem, fix):
    with pytest.raises(errors.ArgumentError) as caught:
        _build(*args, **keywords)
    assert problem in caught.value.problems[0]
    assert caught.value.signature == "_build(model_fn, learning_rate=0.1, *, momentum=None)"
    assert caught.value.where is not None
    assert "test_errors.py" in caught.value.where
    assert fix in str(caught.value.fix)


def test_a_type_error_inside_an_entry_point_passes_as_it_is():
    def model_fn():
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine") as caught:
        _build(model_fn)
    assert type(caught.value) is TypeError


def test_a_long_signature_is_shown_without_its_middle():
    error = errors.TypeMismatchError("No.", signature="<" + "float32," * 1000 + "bool>")
    assert len(str(error)) < 600
    assert "float32, ... " in str(error).replace("float32 ... ", "float32, ... ")
    assert len(str(error.signature)) > 8000


def test_a_function_in_a_notebook_is_told_as_one():
    code = compile("def next_fn(): pass", "/tmp/ipykernel_12/345.py", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    assert callsites.line_of(names["next_fn"]) == "notebook cell:1 in `next_fn`"


def test_a_computation_that_calls_itself_is_told_the_line_that_does():
    @tracing.federated_computation
    def count(number):
        return count(number)

    with pytest.raises(errors.NestingError) as raised:
        count(1)
    assert isinstance(raised.value, RecursionError)
    assert str(raised.value).startswith("this is nested too deep.")
    assert "test_errors.py" in str(raised.value.where)
    assert "`count`" in str(raised.value.where)
