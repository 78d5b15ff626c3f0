"""Source code: each definition is a passage, under its name."""

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from bicross.data.code import read
from bicross.data.lines import Malformed
from bicross.data.outline import OUTLINE, placed
from bicross.data.passages import Splitter
from bicross.records import Document

PYTHON = '''"""加法。"""

import sys

# Adds.
@cached
def add(a, b):
    return a + b


class Long:
    """Much to say."""

    size = 1

    def first(self):
        """FIRST"""

    async def second(self):
        def inner():
            pass


class Short:
    def no(self): ...
'''.replace("FIRST", "word " * 300)


def test_python() -> None:
    found = read(PYTHON, ".py")
    named = {entry["heading"]: entry["start"] for entry in found.meta[OUTLINE]}
    assert list(named) == ["add", "Long", "Long › first", "Long › second", "Short"]
    assert PYTHON[named["add"] :].startswith("# Adds.\n@cached\ndef add")
    assert PYTHON[named["Long › second"] :].startswith("    async def second")


@pytest.mark.parametrize(
    ("suffix", "text", "names"),
    [
        (".js", "function add(a) {}\nexport const sub = (a) => a\nconst x = 1\nclass A extends B { m() {} }", ["add", "sub", "A"]),
        (".ts", "export interface P { a: number }\nexport type T = string\nexport default class Q {}", ["P", "T", "Q"]),
        (".tsx", "export function App() { return <p>Hi</p> }", ["App"]),
        (".go", "package main\ntype Point struct { X int }\nfunc (p *Point) Norm() int { return 1 }", ["Point", "Norm"]),
        (".rs", "/// doc\n#[derive(Debug)]\nstruct P { x: i32 }\nimpl Show for P { fn f() {} }", ["P", "impl Show P"]),
        (".java", "package a;\npublic class A { int f() { return 1; } }\nenum C { X }", ["A", "C"]),
        (".c", "static int *add(int a) { return 0; }\nstruct point { int x; };\nint main(void) {}", ["add", "point", "main"]),
        (".cpp", "template<class T> class V {};\nint V<int>::f() { return 1; }", ["V", "V<int>::f"]),
        (".cs", "public class A { public int F() { return 1; } }", ["A"]),
        (".rb", "class C\n  def d; end\nend\ndef e; end", ["C", "e"]),
        (".php", "<?php\nclass C { function d() {} }\nfunction e() {}", ["C", "e"]),
        (".sh", "greet() {\n  echo hi\n}", ["greet"]),
    ],
)
def test_other_languages(suffix: str, text: str, names: list[str]) -> None:
    assert [entry["heading"] for entry in read(text, suffix).meta[OUTLINE]] == names


def test_no_passage_goes_past_a_definition_and_nothing_is_lost() -> None:
    found = read(PYTHON, ".py")
    tokenizer = Tokenizer(WordLevel({"?": 0}, "?"))
    tokenizer.pre_tokenizer = Whitespace()
    passages = [placed(one, found.meta) for one in Splitter(tokenizer, 120).split(Document("a.py", PYTHON, meta=found.meta))]
    assert [one.heading for one in passages[:2]] == ["", "add"]
    assert {one.heading for one in passages} == {"", "add", "Long", "Long › first", "Long › second", "Short"}
    assert "".join("".join(one.text.split()) for one in passages) == "".join(PYTHON.split())
    assert all(PYTHON[one.start : one.end] == one.text for one in passages)
    assert sum(one.heading == "Long › first" for one in passages) > 1  # longer than a passage


def test_broken_code_is_text_and_minified_code_none() -> None:
    assert read("def (:\n\x0c)", ".py").text == "def (:\n\x0c)"
    with pytest.raises(Malformed, match="minified"):
        read("a=1;" * 1000, ".js")
