"""Reads a page as a browser would, strictly: what is opened must be closed, and nothing may come from elsewhere."""

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "link", "input"}
LINKS = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}


class Reader(HTMLParser):
    """`faults` holds everything that is wrong; `words` the text in order, with the tag it stands in."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str]] = []
        self.words: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if len(given) != len(attrs):
            self.faults.append(f"<{tag}> repeats an attribute")
        if tag == "script" or any(name.startswith("on") for name in given):
            self.faults.append(f"<{tag}> runs a script")
        self.faults += [f"<{tag} {name}={value[:40]}>" for name, value in given.items() if _leaves(name, value)]
        self.targets += [given["href"][1:]] if given.get("href", "").startswith("#") else []
        self.ids += [given["id"]] if "id" in given else []
        if tag == "img" or given.get("role") == "img":
            self.images.append(given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style" and re.search(r"url\(|@import", data):
            self.faults.append("style loads something")
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data.strip()))


def _leaves(name: str, value: str) -> bool:
    """Whether the attribute makes a browser fetch, or lead to, anything outside the page."""
    return name in LINKS and not value.startswith(("data:image/", "#"))


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    reader.faults += [f"<{tag}> is never closed" for tag in reader.open]
    return reader


def check(text: str, headline: str) -> Reader:
    """The page's structure, its independence, its alternatives for the eyes, and the headline before all else."""
    page = read(text)
    assert text.startswith("<!doctype html>")
    assert page.faults == []
    assert [page.tags.count(tag) for tag in ("html", "head", "body", "main", "h1", "title")] == [1] * 6
    assert len(set(page.ids)) == len(page.ids)
    assert set(page.targets) <= set(page.ids)
    assert all(image.get("alt") or image.get("aria-label") for image in page.images)
    body = [words for words in page.words if words[0] not in ("title", "style")]
    assert body[0][0] == "h1"
    assert body[1] == ("p", headline)
    return page
