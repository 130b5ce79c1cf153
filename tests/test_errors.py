"""One family, the same fields on each."""

import http
import inspect
import pickle

import pytest

from mkframe import errors

FAMILY = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, errors.MkframeError) and kind is not errors.MkframeError
]
FIELDS = {
    "hint": "Look again.",
    "request": "GET https://host.example/api/v1/builds",
    "status": 503,
    "vendor_message": "Too busy",
    "body_start": "<html>",
    "retryable": True,
    "retry_after": 2.5,
}
BY_STATUS = {
    301: errors.RedirectError,
    302: errors.RedirectError,
    308: errors.RedirectError,
    400: errors.BadRequestError,
    401: errors.NotAuthenticatedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    405: errors.MethodNotAllowedError,
    418: errors.ResponseError,
    429: errors.TooManyRequestsError,
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.ServerError,
    599: errors.ServerError,
}


@pytest.mark.parametrize("kind", FAMILY)
class TestEachError:
    def test_keeps_its_fields(self, kind):
        error = kind("It broke.", **FIELDS)
        assert {name: getattr(error, name) for name in FIELDS} == FIELDS

    def test_fields_default_to_nothing(self, kind):
        error = kind("It broke.")
        assert [value for name, value in vars(error).items() if name != "message" and value] == []

    def test_reads_as_sentence_and_hint(self, kind):
        assert str(kind("It broke.", hint="Look again.")) == "It broke. Look again."

    def test_reads_without_a_hint(self, kind):
        assert str(kind("It broke.")) == "It broke."

    def test_survives_pickling(self, kind):
        error = kind("It broke.", **FIELDS)
        error.message = "It broke, later."
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind
        assert vars(copy) == vars(error)
        assert str(copy) == str(error)

    def test_is_public_and_drawn_in_the_tree(self, kind):
        assert kind.__name__ in errors.__all__
        assert f"─ {kind.__name__}" in errors.__doc__


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_status_has_its_class(status, kind):
    assert errors.for_status(status) is kind


@pytest.mark.parametrize("status", [s for s in http.HTTPStatus if s >= 300])
def test_every_status_of_refusal_has_a_class(status):
    assert issubclass(errors.for_status(status), errors.ResponseError)


def test_input_error_is_a_value_error():
    assert issubclass(errors.InputError, ValueError)


def test_warning_is_no_error():
    assert issubclass(errors.SchemaWarning, UserWarning)
