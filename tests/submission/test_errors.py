import errno
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from ffdi.core.errors import FfdiError, SpaceError, UserError
from ffdi.submission.answers import Answer, text_of
from ffdi.submission.errors import LostReply, Refused, Unreachable, error_in, explain, refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["code", "message", "error", "status", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=40)
@given(JSON)
def test_any_body_is_an_error_or_none_and_any_field_has_a_value(value: Any) -> None:
    found = error_in(value)
    assert found is None or str(refusal("do it", *found))
    for kind in Answer.__subclasses__():
        names = [field.validation_alias or to_camel(name) for name, field in kind.model_fields.items()]
        assert kind.model_validate({str(name): value for name in names})
    assert isinstance(text_of({"x": value}, "x"), str)


@settings(max_examples=40)
@given(st.text(), st.integers(400, 599), st.booleans())
def test_any_error_of_the_wire_is_one_of_ours(text: str, status: int, write: bool) -> None:
    response = requests.Response()
    response.status_code, response._content, response.reason = status, text.encode(), "Reason"
    found = explain(requests.HTTPError("x", response=response), "do it", write=write)
    assert isinstance(found, Refused | Unreachable | LostReply)
    assert isinstance(found, LostReply) == (write and status >= 500)
    assert "do it" in str(found)


@pytest.mark.parametrize(
    ("error", "write", "kind", "says"),
    [
        (OSError(errno.ENOSPC, "No space left"), True, SpaceError, "The disk is full"),
        (requests.ConnectionError(), False, Unreachable, "check the network"),
        (requests.exceptions.ProxyError(), False, Unreachable, "HTTPS_PROXY"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.csv"), False, UserError, "a.csv: No such file"),
        (TimeoutError(), True, LostReply, "may or may not have been done"),
        (requests.JSONDecodeError("no", "", 0), False, Unreachable, "no answer that can be read"),
        ("é".encode("latin-1"), False, FfdiError, "An unexpected UnicodeDecodeError"),  # no fault of the network
        (KeyError("x"), False, FfdiError, "An unexpected KeyError"),
        (FfdiError("as it was"), True, FfdiError, "as it was"),
    ],
    ids=["disk", "network", "proxy", "file", "write", "no JSON", "encoding", "bug", "ours"],
)
def test_the_diagnosis_is_true(error: Any, write: bool, kind: type[FfdiError], says: str) -> None:
    if isinstance(error, bytes):
        with pytest.raises(UnicodeDecodeError) as raised:
            error.decode()
        error = raised.value
    found = explain(error, "do it", write=write)
    assert type(found) is kind
    assert says in str(found)


def test_a_long_page_is_cut_and_a_template_is_no_template() -> None:
    found = refusal("do it", 400, "{slug} " * 1000)
    assert len(str(found)) < 800
    assert "{slug}" in str(found)


@pytest.mark.parametrize(
    ("status", "slug", "helps"),
    [
        (404, "", "check the spelling"),
        (401, "", "make a new token or key"),
        (403, "", "that it is yours or public"),
        (403, "toy", "accept the rules at https://www.kaggle.com/competitions/toy/rules"),
    ],
)
def test_a_refusal_without_a_known_reason_says_what_helps(status: int, slug: str, helps: str) -> None:
    assert helps in str(refusal("do it", status, "no", slug))
