"""Free text of Debian packages made into pairs: readers on small documents, the rules, the guard, a whole source from a real deb."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import tarfile
from pathlib import Path

import pytest

from tools.starter_pairs import debian, entries
from tools.starter_pairs.folders import licence_of, make, write
from tools.starter_pairs.guard import Guard
from tools.starter_pairs.pages import merged, read_html, read_xml
from tools.starter_pairs.roff import read_page
from tools.starter_pairs.sources import Source, man_pairs, page_pairs
from tools.starter_pairs.text import Pair, clean, cut, good_pairs, heading_of, normal

PROSE = "The cat sat on the mat, and it was not in the mood for a walk in the garden of the house."
CHINESE = "猫坐在垫子上，它不想在房子的花园里散步，因为外面正在下雨，而且它刚刚吃过一顿很丰盛的午饭。"


def test_a_manual_page_loses_its_macros_and_its_code() -> None:
    page = read_page(
        '.\\" a comment\n.TH LS 1 2024 GNU\n.SH NAME\nls \\- list \\fIdirectory\\fP contents\n.SH DESCRIPTION\n.PP\n'
        "List information\nabout \\(lqfiles\\(rq.\n.TP\n\\fB\\-a\\fR, \\fB\\-\\-all\\fR\ndo not ignore\n.BR hidden (7)\n"
        '.nf\ncode {}\n.fi\n.SS "Exit status"\n0 if OK\\&.\n'
    )
    assert (page.name, page.number, page.dirty) == ("ls", "1", False)
    assert page.sections == [
        ("NAME", "ls - list directory contents"),
        ("DESCRIPTION", "List information about “files”.\n-a, --all: do not ignore hidden(7)"),
        ("Exit status", "0 if OK."),
    ]


def test_an_mdoc_page_is_spoken() -> None:
    page = read_page(".Dd today\n.Dt CAT 1\n.Sh NAME\n.Nm cat\n.Nd join files\n.Sh NOTES\n.Pp\nSee\n.Xr tac 1 ,\n.Dq well\nand\n.Fl n .\n")
    assert page.sections == [("NAME", "cat - join files"), ("NOTES", "See tac(1), “well” and -n.")]


def test_a_page_that_only_names_another_is_dirty() -> None:
    assert read_page(".so man1/other.1\n").dirty


def test_a_manual_page_asks_with_what_it_is_about() -> None:
    source = f".TH CAT 1\n.SH 名称\ncat \\- 连接文件并打印\n.SH 描述\n{CHINESE}\n.SH 作者\n某人\n.SH 诊断 DIAGNOSTICS\n{CHINESE}\n"
    pairs = list(man_pairs("usr/share/man/zh_CN/man1/cat.1", source.encode()))
    assert pairs == [Pair("连接文件并打印", CHINESE, "cat"), Pair("诊断", CHINESE, "cat")]


def test_a_page_gives_each_heading_its_own_text() -> None:
    page = (
        "<html><head><title>Book — Publisher</title></head><body><div class='navheader'>Next</div><h1>1. Cats</h1>"
        "<p>About <code>cats</code>.</p>"
        "<h2>Food<a class='headerlink'>¶</a></h2><p>Fish.</p><pre>code</pre><ul><li><a href='x'>Only a link</a></li><li>Milk</li></ul>"
        "<h2>Sleep</h2><p>Much.</p></body></html>"
    )
    sections = read_html(page.encode())
    assert [(one.heading, one.above, one.text) for one in sections] == [
        ("1. Cats", "Book", "About cats."),
        ("Food", "1. Cats", "Fish.\nMilk"),
        ("Sleep", "1. Cats", "Much."),
    ]
    assert [one.text for one in merged(sections, 6)] == ["About cats.\nSleep: Much.", "Fish.\nMilk"]


def test_a_help_page_has_a_summary_that_names_it_too() -> None:
    page = f"""<page xmlns="http://projectmallard.org/1.0/"><info><desc>Keep it awake</desc><credit>Me</credit></info>
        <title>Stop sleeping</title><p>{PROSE}</p>
        <section><title>Why</title><p>Open <guiseq><gui>A</gui><gui>B</gui></guiseq>.</p></section></page>"""
    assert list(page_pairs("a.page", page.encode())) == [Pair("Stop sleeping", f"{PROSE}\nWhy: Open A › B.", "", ("Keep it awake",))]
    sections = read_xml(page.encode())
    assert [one.text for one in sections] == [PROSE, "Open A › B."]


def test_pages_in_old_encodings_are_read() -> None:
    page = "<html><head><meta charset=gb2312></head><body><h1>标题</h1><p>正文在此</p></body></html>"
    assert [(one.heading, one.text) for one in read_html(page.encode("gb18030"))] == [("标题", "正文在此")]
    assert read_html(b"") == []


def test_descriptions_of_packages_that_begin_alike_count_once() -> None:
    stanza = "Package: {}\nDescription-md5: 0\nDescription-en: plays {}\n A player\n of music.\n .\n Features:\n  * small\n  * fast\n"
    found = list(entries.descriptions("\n\n".join(stanza.format(name, name) for name in ("one", "two"))))
    assert found == [Pair("plays one", "A player of music.\nFeatures:\nsmall\nfast", "one")]


def test_dictionaries_are_read_by_their_index() -> None:
    body = 'cat\n    n 1: a small animal; "the cat sat" [syn: {cat},\n         {kitty}]\n    2: a whip\n'
    ((word, entry),) = entries.dictionary(
        f"cat\tA\tB{'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'[len(body) - 64]}\n", body
    )
    assert entries.wordnet(word, entry) == Pair("cat", 'a small animal; "the cat sat"\na whip')
    webster = (
        "\nCat \\Cat\\ (k[a^]t), n. [AS. cat; see\n   {Kitten}.] (Zool.)\n   1. A domestic animal of the house.\n"
        "      [1913 Webster]\n\n            A cat may look. --Poet."
    )
    assert entries.gcide("ignored", webster) == Pair("Cat", "A domestic animal of the house.")


def test_pod_and_poems() -> None:
    source = "=head2 How do I B<lock> a file?\n\nUse C<flock()>, see L<perlfunc/flock>.\n\n    code();\n\n=cut\n"
    assert list(entries.pod(source, "faq")) == [Pair("How do I lock a file?", "Use flock(), see perlfunc/flock.", "faq")]
    assert list(entries.poems("\x1b[32m《静夜思》\x1b[m\n\x1b[33m作者：李白\x1b[m\n床前明月光，\n疑是地上霜。\n%\n")) == [
        Pair("李白《静夜思》", "床前明月光，\n疑是地上霜。")
    ]


@pytest.mark.parametrize(
    ("heading", "named"),
    [
        ("1.2.3. Cats", "Cats"),
        ("第 3 章 猫", "猫"),
        ("A.2.1 What is it?", "What is it?"),
        ("Chapter 4. Dogs", "Dogs"),
        ("3D printing:", "3D printing"),
    ],
)
def test_headings_lose_their_numbers(heading: str, named: str) -> None:
    assert heading_of(heading) == named


def test_what_is_no_pair_is_dropped_and_counted() -> None:
    pairs = [
        Pair("Where cats sit", f"Where cats sit\n{PROSE}"),
        Pair("Where they sit again", PROSE.upper().lower()),
        Pair("Too short", "A cat."),
        Pair("Code", "if (a == b) { return c[d]; } // " * 5),
        Pair("Authors", f"{PROSE} It is by them."),
        Pair("Description", f"{PROSE} It is described."),
        Pair("Options", f"{PROSE} It has some.", "ls"),
    ]
    good, dropped = good_pairs(pairs, "en")
    assert [(pair.query, pair.passage) for pair in good] == [("Where cats sit", PROSE), ("ls: Options", f"{PROSE} It has some.")]
    assert dropped == {
        "passage met before": 1,
        "passage too short": 1,
        "not prose": 1,
        "boilerplate": 1,
        "short text too vague or too frequent": 1,
    }


def test_a_short_text_of_many_passages_is_no_question() -> None:
    pairs = [Pair("Using the new window", f"{PROSE} Number {word}.") for word in ("one", "two", "three", "four")]
    assert good_pairs(pairs, "en")[0] == []
    assert len(good_pairs(pairs[:3], "en")[0]) == 3


def test_chinese_passages_are_mostly_chinese() -> None:
    untranslated = "This sentence was never translated by anybody at all."
    good, dropped = good_pairs([Pair("猫在哪里", f"{CHINESE}\n{untranslated}"), Pair("为什么不", PROSE)], "zh")
    assert good == [Pair("猫在哪里", CHINESE)] and dropped["passage too short"] == 1


def test_text_is_cleaned_and_cut_at_a_sentence() -> None:
    assert clean("a\0b\u200b  c\n\n 中文 断\n") == "a b c\n中文断"
    assert normal("Ｃats, AND dogs！") == "cats and dogs"
    assert cut("One two. " * 400).endswith("One two.") and len(cut("One two. " * 400)) <= 2000
    assert cut("a" * 1400 + "\n" + "b" * 200) == "a" * 1400


def test_the_guard_meets_texts_and_grams(tmp_path: Path) -> None:
    words = " ".join(f"word{place}" for place in range(20))
    rows = [{"_id": "q1", "text": "Where is the cat?"}, {"_id": "d1", "title": "", "text": f"Before {words} after. {CHINESE}"}]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    guard = Guard([tmp_path / "set"])
    assert guard.meets("where is THE cat", "Elsewhere.") == "set"
    assert guard.meets("q", "Other: " + " ".join(words.split()[3:16]).upper()) == "set"
    assert guard.meets("q", " ".join(words.split()[3:15])) is None
    assert guard.meets("q", f"不同的开头{CHINESE[5:32]}") == "set"
    assert guard.meets("q", CHINESE[:15]) is None
    with pytest.raises(FileNotFoundError, match="--never"):
        Guard([tmp_path / "mistyped"])


def test_licences_are_named() -> None:
    assert licence_of("Files: *\nLicense: GPL-2+\n text\n\nFiles: doc\nLicense: GFDL-1.3+\n\nLicense: GPL-2+\n") == "GPL-2+; GFDL-1.3+"
    assert licence_of("under the terms of the GNU General\nPublic License") == "GNU General Public License"
    assert "DFSG" in licence_of("do as you like")


def test_a_source_becomes_a_folder_and_the_same_bytes_again(tmp_path: Path) -> None:
    cache = tmp_path / "pairs.cache"
    archive = _debian(
        cache, {"usr/share/man/man1/cat.1.gz": gzip.compress(f".TH CAT 1\n.SH NAME\ncat \\- find the cat\n.SH NOTES\n{PROSE}\n".encode())}
    )
    source = Source("manuals_en", "en", "Manual pages", ("cat",), r"man\d/", man_pairs)
    written = []
    for folder in ("one", "two"):
        facts = write(tmp_path / folder, source, make(source, archive, Guard([])), archive.version)
        written.append(
            {path.relative_to(tmp_path / folder).as_posix(): path.read_bytes() for path in sorted((tmp_path / folder).rglob("*.*"))}
        )
    assert written[0] == written[1] and set(written[0]) == {"corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "SOURCE.md"}
    (document,), (query,) = (list(map(json.loads, written[0][name].splitlines())) for name in ("corpus.jsonl", "queries.jsonl"))
    assert (query["text"], document["text"]) == ("cat: notes", PROSE)
    assert written[0]["qrels/train.tsv"].decode().splitlines()[1] == f"{query['_id']}\t{document['_id']}\t1"
    assert "1 pairs" in facts and "cat 1.0 (https://deb.debian.org/debian/pool/cat.deb): MIT" in written[0]["SOURCE.md"].decode()


def test_a_file_that_is_not_what_the_index_says_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"other")
    with pytest.raises(ValueError, match="SHA256"):
        debian.fetched((tmp_path / "there").as_uri(), tmp_path / "here", "0" * 64)
    assert not (tmp_path / "here").exists()


def _debian(cache: Path, files: dict[str, bytes]) -> debian.Archive:
    """An archive of one package, all of it in the cache already."""
    cache.mkdir()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for name, content in {**files, "usr/share/doc/cat/copyright": b"Files: *\nLicense: MIT\n"}.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data.getvalue()}
    parts = (
        f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
        for name, body in members.items()
    )
    deb = b"!<arch>\n" + b"".join(parts)
    (cache / "cat.deb").write_bytes(deb)
    stanza = f"Package: cat\nVersion: 1.0\nFilename: pool/cat.deb\nSHA256: {hashlib.sha256(deb).hexdigest()}\n"
    index = lzma.compress(stanza.encode())
    (cache / f"{debian.SUITE}_main_binary-amd64_Packages.xz").write_bytes(index)
    listed = f"Version: 0.0\nSHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-amd64/Packages.xz\n"
    (cache / f"{debian.SUITE}_Release").write_text(listed)
    return debian.Archive(cache)
