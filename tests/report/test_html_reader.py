"""The reader that judges the pages must itself find what is wrong."""

import pytest

from tests.report.html_reader import check, read

GOOD = (
    "<!doctype html><html><head><title>T</title><style>p { color: red }</style></head><body><main><h1>T</h1>"
    '<p>Headline.</p><p id="a"><a href="#a">up</a></p><img src="data:image/png;base64," alt="what is seen"></main>'
    "</body></html>"
)


def test_a_good_page_passes() -> None:
    assert check(GOOD, "Headline.").faults == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("data:image/png;base64,", "https://example.org/a.png"),
        ("data:image/png;base64,", "//example.org/a.png"),
        ("data:image/png;base64,", "a.png"),
        ("#a", "http://example.org"),
        ("#a", "javascript:alert(1)"),
        ("#a", "#nowhere"),
        ("color: red", "background: url(https://example.org/a.png)"),
        (' alt="what is seen"', ""),
        ("</main>", ""),
        ("</main>", "<script></script></main>"),
        ('<p id="a">', '<p id="a" onclick="go()">'),
        ("<p>Headline.</p>", '<p id="a">Headline.</p>'),
        ("<p>Headline.</p>", "<p>Something else.</p><p>Headline.</p>"),
        ("<!doctype html>", ""),
    ],
)
def test_a_page_with_one_fault_fails(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(AssertionError):
        check(GOOD.replace(old, new), "Headline.")


def test_words_carry_their_tag() -> None:
    assert read("<p>a<b>c</b></p>").words == [("p", "a"), ("b", "c")]
