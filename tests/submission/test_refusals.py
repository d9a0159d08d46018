import errno

import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core.errors import FfdiError, SpaceError
from ffdi.submission import fields
from ffdi.submission.refusals import LostReply, Refused, Unreachable, envelope, explain, refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["code", "message", "error", "status", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def response(status: int, text: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content, made.reason = status, text.encode(), "Reason"
    return made


@settings(max_examples=40)
@given(JSON)
def test_any_body_is_an_error_or_none_and_never_a_crash(body: object) -> None:
    found = envelope(body)
    if found is not None:
        code, message = found
        assert isinstance(code, int)
        assert isinstance(message, str)
        assert str(refusal("do it", code, message))


@settings(max_examples=40)
@given(JSON)
def test_any_field_has_a_value(value: object) -> None:
    body = {"x": value}
    assert isinstance(fields.text_of(body, "x"), str)
    assert isinstance(fields.number_of(body, "x"), int)
    assert isinstance(fields.hours_of(body, "x"), float)
    assert isinstance(fields.rows_of(body, "x"), list)
    assert isinstance(fields.names_of(body, "x"), list)
    assert (score := fields.score_of(body, "x")) is None or score - score == 0
    assert (date := fields.date_of(body, "x")) is None or date.tzinfo is not None


@settings(max_examples=40)
@given(st.text(), st.integers(400, 599), st.booleans())
def test_any_error_of_the_wire_is_one_of_ours(text: str, status: int, write: bool) -> None:
    error = requests.HTTPError("x", response=response(status, text))
    found = explain(error, "do it", write=write)
    assert isinstance(found, Refused | Unreachable | LostReply)
    assert isinstance(found, LostReply) == (write and status >= 500)
    assert "do it" in str(found)


def test_a_full_disk_is_said_to_be_one() -> None:
    assert isinstance(explain(OSError(errno.ENOSPC, "No space left"), "send a.zip"), SpaceError)
    ours = FfdiError("as it was")
    assert explain(ours, "do it") is ours


def test_a_long_page_is_cut_and_a_template_is_no_template() -> None:
    found = refusal("do it", 400, "{slug} " * 1000)
    assert len(str(found)) < 800
    assert "{slug}" in str(found)
