"""The table of sources: which packages, which of their files, how they are read, and how many pairs are kept at most."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from . import entries
from .pages import merged, sections_of
from .roff import read_page
from .text import Pair

Read = Callable[[str, bytes], Iterator[Pair]]
_MERGED = 50  # characters below which a section is no passage of its own
_LATIN_ECHO = re.compile(r"\s*[(（]?\b[A-Z][A-Z ]{3,}\b[)）]?\s*")
_SKIPPED = re.compile(
    r"synopsis|see also|authors?|copyright|colophon|files|attributes|versions|standards|history|conforming to|examples?|name|reporting bugs"
    r"|feature test.*|availability|license|copying|syntax|library|resources|.*translat.*|.*bugs"
    r"|总览|總覽|概述|概要|参见|參見|另请参[见阅]|参考.*|作者.*|版权.*|著作权|遵循.*|文件|例子|示例|范例|.*中文版.*|跋|书页信息|名称|名字|历史|属性|.*手册页.*|.*翻译.*|语法|摘要|.*bug.*|相关.*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """One folder of the output. Without packages `read` is given the index that `files` names."""

    name: str
    language: str
    about: str
    packages: Sequence[str]
    files: str
    read: Read
    cap: int = 0
    licence: str = ""


def page_pairs(path: str, content: bytes) -> Iterator[Pair]:
    """Heading -> section of an HTML page, or of a Mallard or DocBook document."""
    for section in merged(list(sections_of(path, content)), _MERGED):
        yield Pair(section.heading, section.text, section.above, tuple(dict.fromkeys(section.also))[:2])


def gnucash_pairs(path: str, content: bytes) -> Iterator[Pair]:
    """As `page_pairs`, of documents whose entities are in another file: the program's name, and menus, which become an ellipsis."""
    text = re.sub("&app(name)?;", "GnuCash", content.decode("utf-8", errors="replace"))
    yield from page_pairs(path, re.sub(r"&(?!lt;|gt;|amp;|quot;|apos;|#)[\w.-]+;", "…", text).encode())


def man_pairs(path: str, content: bytes) -> Iterator[Pair]:
    """What a manual page says its subject is -> the description; subject and heading -> any other section of prose."""
    page = read_page(content.decode("utf-8", errors="replace"))
    if page.dirty:
        return
    subject = path.rpartition("/")[2].rpartition(".")[0]
    about = ""
    for place, (heading, text) in enumerate(page.sections):
        heading = (_LATIN_ECHO.sub("", heading) or heading).strip("()（） ")
        if place == 0:
            about = re.split(r"\s[-–—]+\s?|—", text.split("\n")[0], maxsplit=1)[-1]
        elif not _SKIPPED.fullmatch(heading):
            described = re.fullmatch(r"description|描述|说明|描叙|描 述|敘述|描述 说明|简介", heading, re.IGNORECASE)
            named = heading.lower() if heading.isupper() else heading
            yield Pair(about, text, subject) if described and about else Pair(named, text, subject)


def pod_pairs(path: str, content: bytes) -> Iterator[Pair]:
    """Heading -> text of a POD document."""
    yield from entries.pod(content.decode("utf-8", errors="replace"), path.rpartition("/")[2].partition(".")[0])


def poem_pairs(_: str, content: bytes) -> Iterator[Pair]:
    """Title and author -> poem."""
    yield from entries.poems(content.decode("utf-8", errors="replace"))


def description_pairs(_: str, content: bytes) -> Iterator[Pair]:
    """Short -> long description of packages."""
    yield from entries.descriptions(content.decode())


def appstream_pairs(*locales: str) -> Read:
    """Summary -> description of applications."""
    return lambda _, content: entries.appstream(content.decode(), locales)


def dictionary_pairs(entry: Callable[[str, str], Pair]) -> Read:
    """Headword -> entry of a dictd database, whose two files come one after the other."""
    seen: dict[str, bytes] = {}

    def read(path: str, content: bytes) -> Iterator[Pair]:
        seen[path.rpartition(".")[2]] = content
        if len(seen) == 2:
            text = gzip.decompress(seen["dz"]).decode("utf-8", errors="replace")
            found = entries.dictionary(seen["index"].decode("utf-8", errors="replace"), text)
            seen.clear()
            yield from (entry(*one) for one in found)

    return read


def _index(name: str, about: str, files: str, read: Read, licence: str, cap: int = 0) -> Source:
    """An index of main, in the language that the name says."""
    return Source(name, "en" if name.endswith("_en") else "zh", about, (), f"main/{files}", read, cap, licence)


def _manual(name: str, about: str, packages: str, files: str, read: Read = page_pairs, cap: int = 0) -> Source:
    """Files of packages, in the language that the name ends with: `_en`, or `_zh_cn` or `_zh_tw`, each script apart."""
    return Source(name, "en" if name.endswith("_en") else "zh", about, packages.split(), files, read, cap)


def _both(name: str, about: str, packages: str, files: str, read: Read = page_pairs) -> tuple[Source, Source]:
    """Translations into simplified and into traditional characters; `LOCALE` in `files` stands for the locale."""
    cn, tw = (files.replace("LOCALE", locale) for locale in ("(zh|zh[-_](CN|cn|Hans))", "zh[-_](TW|tw|Hant)"))
    about += ", in Chinese"
    return _manual(f"{name}_zh_cn", about, packages, cn, read), _manual(f"{name}_zh_tw", about, packages, tw, read)


_APPSTREAM = "dep11/Components-amd64.yml.xz"
_OFFICE_ZH = "libreoffice-help-zh-cn libreoffice-help-zh-tw"
_GNOME = """
    accerciser atril-common brasero-common burner-common caja-actions-common cheese-common engrampa-common eom-common
    epiphany-browser-data evince-common evolution-common gedit-common gnome-applets-data gnome-panel-data gnome-terminal-data
    gnome-user-docs gthumb-data hamster-time-tracker mate-applets-common mate-calc-common mate-control-center-common
    mate-panel-common mate-power-manager-common mate-system-monitor-common mate-terminal-common mate-user-guide mate-utils-common
    modem-manager-gui-help papers-common parlatype-common pluma-common totem-common zenity-common"""
_MANUALS = """
    apt bash coreutils curl dpkg findutils gawk git-man grep iproute2 manpages manpages-dev nmap openssh-client procps rsync sed
    systemd tar util-linux"""
_MANUALS_ZH = "calibre manpages-zh po4a"
_DEBIAN = """
    aptitude-doc-en debian-edu-doc-en debian-faq debian-handbook debian-kernel-handbook debian-policy debian-reference-en
    debmake-doc developers-reference installation-guide-amd64 maint-guide"""
_DEBIAN_ZH = """
    debian-edu-doc-zh-cn debian-faq-zh-cn debian-handbook debian-policy-zh-cn debian-reference-zh-cn debian-reference-zh-tw
    debmake-doc installation-guide-amd64 maint-guide-zh-cn maint-guide-zh-tw"""
_SOFTWARE = """
    apache2-doc bind9-doc exim4-doc-html gimp-help-en gnucash-docs grass-doc kicad-doc-en lilypond-doc-html maxima-doc octave-doc omegat
    postgresql-doc-17 privoxy python3.13-doc r-doc-html rust-doc zsh-doc"""
_SOFTWARE_ZH = """
    apache2-doc gimp-help-zh-cn kicad-doc-zh lilypond-doc-html-zh linux-doc-6.12 mplayer-doc omegat rapidjson-doc rust-web-doc
    stardict-common sylpheed-doc"""
_HTML_EN = (
    r"(/en/.*|/en-US/.*|\.en|policy\.html/.*|kernel-handbook.*|(maint-guide|developers-reference|debian-edu-doc-en|debmake-doc/html)/[^/.]+)"
    r"\.html$"
)
_SOFTWARE_HTML_EN = (
    r"share/(?!.*/(api|_?sources?|internals|liboctave\.html|[a-z]{2}[-_][A-Z]{2}|(?!en/)[a-z]{2})/)(?!.*(gnucash-\w+-(?!en/)|/changelog|/release-))"
    r"(?!.*rust-doc/html/(core|std|alloc|proc_macro|test|src|clippy|book/.*edition|book/first.*)/).*(?<!\.\w\w)\.html(\.en)?$"
)
_FREE = "each text is part of a package of Debian main, so free by the DFSG"
_PERMISSIVE = "AppStream metadata, which has to be under a permissive licence (such as FSFAP, CC0, CC BY-SA or the GFDL)"

SOURCES = (
    _index("descriptions_en", "Descriptions of packages", "i18n/Translation-en.xz", description_pairs, _FREE, 15_000),
    _index("descriptions_zh_cn", "Descriptions of packages, in Chinese", "i18n/Translation-zh_CN.bz2", description_pairs, _FREE),
    _index(
        "appstream_zh_cn",
        "Descriptions of programs, in Chinese",
        _APPSTREAM,
        appstream_pairs("zh_CN", "zh-Hans-CN", "zh_Hans", "zh"),
        _PERMISSIVE,
    ),
    _index(
        "appstream_zh_tw",
        "Descriptions of programs, in Chinese",
        _APPSTREAM,
        appstream_pairs("zh_TW", "zh-Hant-TW", "zh_Hant", "zh_HK"),
        _PERMISSIVE,
    ),
    _manual("libreoffice_en", "Help of LibreOffice", "libreoffice-help-en-us", r"help/en-US/text/.*\.html$"),
    *_both("libreoffice", "Help of LibreOffice", _OFFICE_ZH, r"help/LOCALE/text/.*\.html$"),
    _manual("gnome_en", "Help of GNOME and MATE", _GNOME, r"share/help/C/.*\.(page|xml|docbook)$"),
    _manual("gnome_zh_cn", "Help of GNOME and MATE, in Chinese", _GNOME, r"share/help/zh(_CN|_Hans)?/.*\.(page|xml|docbook)$"),
    _manual("gnucash_zh_cn", "Guide to bookkeeping with GnuCash, in Chinese", "gnucash-docs", r"help/zh/.*\.docbook$", gnucash_pairs),
    _manual("manuals_en", "Manual pages", _MANUALS, r"share/man/man\d/", man_pairs),
    *_both("manuals", "Manual pages", _MANUALS_ZH, r"share/man/LOCALE/man\d/", man_pairs),
    _manual("debian_en", "Handbooks of Debian", _DEBIAN, _HTML_EN),
    *_both("debian", "Handbooks of Debian", _DEBIAN_ZH, r"[-/.]LOCALE[/.].*html$"),
    _manual("kernel_en", "Documentation of Linux", "linux-doc-6.12", r"/html/(?!translations/).*\.html$", cap=4_000),
    _manual("software_en", "Manuals of free software", _SOFTWARE, _SOFTWARE_HTML_EN, cap=15_000),
    *_both("software", "Manuals of free software", _SOFTWARE_ZH, r"[-/_.]LOCALE[/.].*html(\.zh.*)?$"),
    _manual("perl_en", "Perl's documentation and its frequently asked questions", "perl-doc", r"pod/perl(?!\w*delta).*\.pod$", pod_pairs),
    _manual("anarchism_en", "An Anarchist FAQ: politics, economics, history", "anarchism", r"html/(sec|append)\w+\.html$"),
    _manual("foldoc_en", "The Free On-line Dictionary of Computing", "dict-foldoc", "dictd/", dictionary_pairs(entries.foldoc)),
    _manual("jargon_en", "The Jargon File", "dict-jargon", "dictd/", dictionary_pairs(entries.jargon)),
    _manual("wordnet_en", "WordNet: words and their glosses", "dict-wn", "dictd/", dictionary_pairs(entries.wordnet), 6_000),
    _manual(
        "webster_en",
        "Webster's dictionary of 1913",
        "dict-gcide",
        "dictd/",
        dictionary_pairs(entries.gcide),
        6_000,
    ),
    _manual("poems_zh_cn", "Classical Chinese poems", "fortunes-zh", r"fortunes/(tang300|song100)$", poem_pairs),
)
