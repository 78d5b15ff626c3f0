"""The shell of every page that Bicross writes: one file, no script, nothing from the network, readable on a phone and in print.

The callers escape the texts that are the user's; `section` and `table` escape what they are given as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

# Chinese fonts stand behind the system's own, so that Latin letters keep theirs; text marked `lang="zh"` gets more air between its lines.
FONTS = '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif'
STYLE = f"""
:root {{ color-scheme: light; }}
body {{ font: 15px/1.5 system-ui, "Segoe UI", {FONTS};
  color: #222; background: #fff; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; margin: 0 0 .3rem; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #ddd; }}
table {{ border-collapse: collapse; }} td, th {{ text-align: left; padding: .15rem .9rem .15rem 0; vertical-align: top; }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; }} th {{ font-weight: 600; }}
svg {{ display: block; width: 100%; height: auto; }} svg text {{ font: 11px system-ui, sans-serif; fill: #444; }}
.note, .scores {{ color: #666; font-size: .87rem; }} .remark {{ border-left: 3px solid #b3462f; padding-left: .7rem; }}
article {{ border-top: 1px solid #eee; padding: .6rem 0; break-inside: avoid; }}
article p {{ margin: .15rem 0; overflow-wrap: anywhere; white-space: pre-line; }} article b {{ color: #555; font-weight: 600; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; color: #555; }}
:lang(zh) {{ line-height: 1.65; line-break: strict; }}
@media print {{ html {{ font-size: 12px; }} body {{ max-width: none; margin: 0; font-size: 11px; }} h2 {{ break-after: avoid; }} }}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, body: Iterable[str], style: str = "") -> str:
    """A whole page, as HTML in one string: `body` is HTML, `style` comes after what all pages share."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{style}</style></head><body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def section(title: str, body: str, anchor: str = "") -> str:
    """A part of a page under a heading; `anchor` is what a link to it names."""
    named = f' id="{escape(anchor)}"' if anchor else ""
    return f"<section{named}><h2>{escape(title)}</h2>{body}</section>"


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Rows of a name and a number."""
    return "<table>" + "".join(f'<tr><td>{escape(name)}</td><td class="n">{escape(value)}</td></tr>' for name, value in rows) + "</table>"
