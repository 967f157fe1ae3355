"""Reads a report back: elements, texts, addresses, and whether it is well-formed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "hr"}
ADDRESSES = ("src", "href", "xlink:href", "action", "data", "srcset", "poster", "formaction")


@dataclass
class Element:
    """One element: its attributes, its children, and all text inside it."""

    tag: str
    attributes: dict[str, str]
    children: list = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    @property
    def classes(self) -> set[str]:
        return set((self.attributes.get("class") or "").split())

    def find(self, tag: str = "", class_: str = "", id_: str = "") -> list[Element]:
        """All elements inside with this tag, class and id, in order."""
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            fits = (not tag or child.tag == tag) and (not class_ or class_ in child.classes)
            if fits and (not id_ or child.attributes.get("id") == id_):
                found.append(child)
            found += child.find(tag, class_, id_)
        return found


class Page(HTMLParser):
    """A parsed page; a wrong nesting of elements or an attribute given twice is an AssertionError."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(html)
        self.close()
        assert self._open == [self.root], f"not closed: {[e.tag for e in self._open[1:]]}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data):
        self._open[-1].children.append(data)

    def find(self, *args, **kwargs) -> list[Element]:
        return self.root.find(*args, **kwargs)

    def section(self, name: str) -> Element:
        """The section with this id."""
        (found,) = self.find("section", id_=name)
        return found

    @property
    def data(self) -> dict:
        """The JSON in the page."""
        (block,) = self.find("script", id_="data")
        return json.loads(block.text)

    @property
    def addresses(self) -> list[str]:
        """Everything that a browser might load or go to."""
        return [e.attributes[a] for e in self.find() for a in ADDRESSES if a in e.attributes]
