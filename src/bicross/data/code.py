"""Source code: its definitions, so that each is a passage of its own, found by tree-sitter's grammars. The only file that imports them.

A definition is a node with a name (or, of a function in C, a declarator) whose kind says that it defines one. Those inside of a class or
the like stand apart where it is longer than SMALL.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from bicross.data.extracted import Extracted
from bicross.data.lines import Malformed
from bicross.data.outline import Heading, outline
from bicross.errors import MissingExtra

LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".java": "java",
    ".go": "go",
    ".rs": "rust",
    ".c": "c",
    ".h": "cpp",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hpp": "cpp",
    ".cs": "c_sharp",
    ".rb": "ruby",
    ".php": "php",
    ".sh": "bash",
}
"""Suffix -> language."""
SMALL = 1200  # characters of a definition that is not taken apart: less than a passage
_MINIFIED = 400  # characters of a line, on average, that nobody wrote by hand
_PACKAGES = {"tsx": "typescript"}
_DEFINES = (
    *("function", "method", "class", "struct", "interface", "enum", "trait", "impl", "module", "namespace", "constructor", "record"),
    *("type_declaration", "type_definition", "type_alias", "type_item", "union", "protocol", "macro", "object_declaration"),
)
_HOLDS = ("class", "struct", "interface", "trait", "impl", "module", "namespace", "enum", "record", "mod_item")
_WRAPS = ("decorated_definition", "export_statement", "template_declaration")  # the definition is inside, with its decorators before it
_REMARKS = ("comment", "line_comment", "block_comment", "attribute_item", "decorator", "annotation")


def read(text: str, suffix: str) -> Extracted:
    """A file's text with its definitions as outline, each `apart`; `meta` has the language.

    Raises:
        Malformed: nobody wrote it by hand. MissingExtra: the grammars are not installed.
    """
    if len(text) > _MINIFIED * (text.count("\n") + 1):
        raise Malformed("minified: its lines are too long to be source code")
    language = LANGUAGES[suffix]
    source = text.encode()
    tree = _parser(language).parse(source)
    found = list(_definitions(tree.root_node, 1))
    starts = _code_points(source, [start for start, _, _ in found])
    headings = [Heading(start, level, name) for start, (_, level, name) in zip(starts, found, strict=True)]
    return Extracted("", text, {"language": language} | outline(headings, apart=True))


def _parser(language: str) -> Any:
    package = _PACKAGES.get(language, language)
    try:
        tree_sitter = import_module("tree_sitter")
        grammar = import_module(f"tree_sitter_{package}")
    except ImportError as error:
        raise MissingExtra(f"source code in {language} needs {error.name}, which is not installed: pip install 'bicross[code]'") from error
    of = getattr(grammar, f"language_{language}", None) or grammar.language
    return tree_sitter.Parser(tree_sitter.Language(of()))


def _definitions(parent: Any, level: int) -> Iterator[tuple[int, int, str]]:
    """Where each definition begins (bytes, with the remarks before it), how deep it lies, and what it is called."""
    begins: int | None = None  # of remarks that nothing parts from what follows
    row = -1
    for node in parent.named_children:
        if begins is not None and node.start_point[0] > row + 1:
            begins = None
        row = node.end_point[0]
        if node.type in _REMARKS:
            begins = node.start_byte if begins is None else begins
            continue
        inner = _unwrapped(node)
        name = _name(inner)
        if name:
            yield _line_start(node, node.start_byte if begins is None else begins), level, name
        if _is(inner, _HOLDS) and (not name or inner.end_byte - inner.start_byte > SMALL):
            bodies = (one for one in inner.named_children if one.type.endswith(("body", "list")))
            yield from _definitions(inner.child_by_field_name("body") or next(bodies, inner), level + 1 if name else level)
        begins = None


def _line_start(node: Any, start: int) -> int:
    """Where the definition's line begins, if nothing but white space stands before it; remarks begin where they begin."""
    return start - node.start_point[1] if start == node.start_byte else start


def _unwrapped(node: Any) -> Any:
    while node.type in _WRAPS:
        inner = node.child_by_field_name("definition") or node.child_by_field_name("declaration")
        inner = inner or next((one for one in reversed(node.named_children) if one.type not in _REMARKS), None)
        if inner is None:
            return node
        node = inner
    return node


def _name(node: Any) -> str:
    """What a definition is called; "" of what defines nothing."""
    if node.type in ("lexical_declaration", "variable_declaration"):  # JavaScript: const add = (a, b) => ...
        one: Any = next((one for one in node.named_children if one.type == "variable_declarator"), None)
        value = one and one.child_by_field_name("value")
        return _words(one.child_by_field_name("name")) if value and "function" in value.type else ""
    if not _is(node, _DEFINES) or node.type.endswith(("_call", "_expression", "_invocation")):
        return ""
    if node.type == "impl_item":
        return " ".join(["impl", *filter(None, (_words(node.child_by_field_name(field)) for field in ("trait", "type")))])
    if node.type == "type_declaration":  # Go
        node = next(iter(node.named_children), node)
    named = node.child_by_field_name("name")
    while named is None and (inner := node.child_by_field_name("declarator")) is not None:  # C: the name is deep inside
        node = inner
        if "declarator" not in inner.type:
            named = inner
    return _words(named)


def _is(node: Any, kinds: tuple[str, ...]) -> bool:
    return any(kind in node.type for kind in kinds)


def _words(node: Any) -> str:
    return "" if node is None or node.text is None else " ".join(node.text.decode("utf-8", "replace").split())[:100]


def _code_points(source: bytes, places: list[int]) -> list[int]:
    """Bytes of UTF-8, ascending, as code points."""
    found, before, count = [], 0, 0
    for place in places:
        count += len(source[before:place].decode("utf-8", "ignore"))
        before = place
        found.append(count)
    return found
