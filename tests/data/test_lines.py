"""Lines and encodings, byte by byte."""

from pathlib import Path

import pytest

from bicross.data import lines
from bicross.data.lines import Line, Malformed, decode, encoding_of, read_lines, require_file
from bicross.errors import InputError

CHINESE = "你好，世界。这是一个文件，我们在这里看看它能不能读。"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_a_chinese_file_is_read_in_the_encodings_that_it_comes_in(encoding: str) -> None:
    assert decode(CHINESE.encode(encoding)) == CHINESE


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve café déjà vu, élan", "latin-1"),
        ("Привет, как дела? Это простой русский текст, в котором много слов.", "cp1251"),
        ("안녕하세요. 이것은 한국어 문장입니다. 우리는 오늘 학교에 갑니다.", "euc-kr"),
        ("これは日本語の文章です。今日は天気がいいですね。私は学校へ行きます。", "euc-jp"),
        ("これは日本語の文章です。今日は天気がいいですね。私は学校へ行きます。", "shift-jis"),
        ("這是一個繁體中文的檔案，我們在這裡看看它能不能讀。", "big5"),
    ],
)
def test_bytes_of_another_encoding_are_not_taken_for_chinese(text: str, encoding: str) -> None:
    with pytest.raises(Malformed, match=r"not UTF-8 at byte \d+"):
        decode(text.encode(encoding))


def test_half_a_utf16_character_is_refused() -> None:
    with pytest.raises(Malformed, match="not UTF-16 at byte"):
        decode("ab".encode("utf-16")[:-1])


def test_lines_keep_their_ends_and_the_mark_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\ntwo\x0bthree")
    assert list(read_lines(path)) == [Line(1, "one\r\n"), Line(2, "\n"), Line(3, "two\x0bthree")]


def test_a_line_that_is_not_utf8_costs_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one\ntw\xff\nthree\n")
    assert list(read_lines(path)) == [Line(1, "one\n"), Line(2, "", "not UTF-8 at byte 2; save it as UTF-8"), Line(3, "three\n")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_over_the_limit_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(lines, "LIMIT", 10)
    path = tmp_path / "a"
    path.write_text("short\n" + "x" * 3_000_000 + "\nend", encoding=encoding)
    found = list(read_lines(path))
    assert [line.number for line in found] == [1, 2, 3]
    assert [line.text for line in found] == ["short\n", "", "end"]
    assert "longer than" in found[1].reason


def test_a_lone_surrogate_and_a_cut_end_of_a_utf16_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes("a\nb\ud800\nc\n".encode("utf-16", "surrogatepass") + b"x")
    found = list(read_lines(path))
    assert [line.text for line in found] == ["a\n", "", "c\n", ""]
    assert found[1].reason == "a lone surrogate at character 1"
    assert found[3].reason.startswith("not UTF-16")


def test_the_encoding_of_a_file_is_what_most_of_its_lines_are_in(tmp_path: Path) -> None:
    path = tmp_path / "a"
    line = CHINESE + "\n"
    for content, expected in [
        (b"ascii\n", "utf-8"),
        (line.encode(), "utf-8"),
        (line.encode("utf-16"), "utf-16"),
        (b"id,text\n" + line.encode("gbk"), "gb18030"),
        (line.encode() * 2 + line.encode("gbk"), "utf-8"),
        ("déjà vu\n".encode("latin-1"), "utf-8"),
    ]:
        path.write_bytes(content)
        assert encoding_of(path) == expected


def test_a_file_that_cannot_be_read_is_named_with_what_was_expected(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"cannot be read .*; expected a file of queries"):
            require_file(path, "a file of queries")
