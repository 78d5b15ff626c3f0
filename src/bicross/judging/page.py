"""The page on which pairs are judged: one file, nothing from outside, each text set as text and never as markup.

It is driven by keys alone; on a phone, which has none, the legend's keys can be tapped.
"""

from __future__ import annotations

import base64
import hashlib

from bicross.judging.keys import MEANINGS

STYLE = """
:root { color-scheme: light dark; --ink: #1d1f21; --soft: #5d6268; --line: #d9dcdf; --back: #fff; --key: #f2f3f4; --mark: #2a7f62; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6e8; --soft: #9ba1a7; --line: #3a3f44; --back: #16181a; --key: #24282b; --mark: #58b893; }
}
* { box-sizing: border-box; }
html, body { height: 100%; height: 100dvh; }
body { margin: 0; display: flex; flex-direction: column; color: var(--ink); background: var(--back);
  font: 17px/1.65 system-ui, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif; }
header, main, footer { width: 100%; max-width: 46rem; margin: 0 auto; padding: 0 1.1rem; }
header { padding-top: .7rem; color: var(--soft); font-size: .82rem; font-variant-numeric: tabular-nums; }
header div { display: flex; justify-content: space-between; gap: 1rem; white-space: nowrap; }
progress { display: block; width: 100%; height: 4px; margin-top: .45rem; border: 0; border-radius: 2px; background: var(--line);
  appearance: none; -webkit-appearance: none; overflow: hidden; }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--mark); }
progress::-moz-progress-bar { background: var(--mark); }
main { flex: 1 1 auto; overflow-y: auto; padding-bottom: 1rem; outline: none; }
h1 { font-size: 1.28rem; line-height: 1.4; margin: 1.1rem 0 .9rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 .5rem; color: var(--soft); overflow-wrap: anywhere; }
h2:empty { display: none; }
article { border-top: 1px solid var(--line); padding-top: .9rem; }
article p { margin: 0; white-space: pre-line; overflow-wrap: anywhere; }
article p + p { margin-top: .9rem; padding-top: .9rem; border-top: 1px dashed var(--line); }
footer { flex: none; padding-top: .6rem; padding-bottom: max(.7rem, env(safe-area-inset-bottom)); border-top: 1px solid var(--line);
  display: grid; grid-template-columns: repeat(4, 1fr); gap: .45rem; }
footer div { grid-column: 1 / -1; display: flex; gap: .45rem; }
button { font: inherit; font-size: .82rem; line-height: 1.25; color: var(--ink); background: var(--key); border: 1px solid var(--line);
  border-radius: 8px; padding: .45rem .4rem; min-height: 44px; cursor: pointer; text-align: center; }
footer div button { flex: 1 1 0; min-height: 40px; color: var(--soft); }
kbd { display: block; font: 600 1.02rem/1.3 ui-monospace, "SF Mono", Menlo, Consolas, monospace; color: var(--ink); }
footer div kbd { display: inline; font-size: .82rem; margin-right: .35rem; }
button.pressed { border-color: var(--mark); background: var(--mark); color: #fff; }
button.pressed kbd { color: #fff; }
"""
SCRIPT = """
"use strict";
const part = name => document.getElementById(name);
let shown = null, busy = false, over = false;
const tongue = text => (/[\\u3400-\\u9fff]/.test(text) ? "zh-Hans" : "en");
function set(place, text) { place.textContent = text; place.lang = tongue(text); }
function show(state) {
  shown = state.pair;
  const all = state.counts.pairs - state.counts.gone, done = state.counts.judged + state.counts.skipped;
  part("count").textContent = state.progress;
  part("said").textContent = state.said;
  part("bar").max = Math.max(1, all); part("bar").value = done;
  part("passages").replaceChildren();
  if (!shown) {
    set(part("question"), "All pairs are done.");
    set(part("title"), "u takes the last one back, q ends the session.");
    return;
  }
  set(part("question"), shown.question); set(part("title"), shown.title);
  for (const text of shown.passages) {
    const place = document.createElement("p");
    set(place, text); part("passages").append(place);
  }
  part("main").scrollTop = 0;
}
function end(text) {
  over = true; set(part("question"), text); set(part("title"), ""); part("passages").replaceChildren(); part("keys").remove();
}
async function ask(path, body) {
  const answer = await fetch(path, body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const state = await answer.json();
  if (state.error && !state.counts) throw new Error(state.error);
  return state;
}
async function press(key) {
  if (busy || over) return;
  busy = true;
  const button = document.querySelector('button[data-key="' + key + '"]');
  if (button) button.classList.add("pressed");
  try {
    const state = await ask("judge", { key, query: shown && shown.query, document: shown && shown.document });
    if (state.ended) end("The session has ended; what was judged is on the disk. This page can be closed."); else show(state);
  } catch (error) {
    end("Nothing was saved for this key: " + error.message + ". Look at the terminal, and start again there; nothing is asked twice.");
  } finally {
    if (button) button.classList.remove("pressed");
    busy = false;
  }
}
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.normalize("NFKC").toLowerCase();
  if (key.length === 1 && "0123nyuq ".includes(key)) { event.preventDefault(); press(key); }
});
for (const button of document.querySelectorAll("button"))
  button.addEventListener("click", () => { button.blur(); press(button.dataset.key); });
ask("state").then(show, error => end(error.message));
part("main").focus();
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _button(key: str, name: str, meaning: str) -> str:
    return f'<button type="button" tabindex="-1" data-key="{key}"><kbd>{name}</kbd>{meaning}</button>'


PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>bicross judge</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
    f"<style>{STYLE}</style></head><body>"
    '<header><div><span id="count"></span><span id="said" aria-live="polite"></span></div>'
    '<progress id="bar" value="0" max="1" aria-label="pairs done"></progress></header>'
    '<main id="main" tabindex="0" aria-live="polite"><h1 id="question"></h1>'
    '<article><h2 id="title"></h2><div id="passages"></div></article></main>'
    '<footer id="keys">'
    + "".join(_button(str(grade), str(grade), meaning) for grade, meaning in enumerate(MEANINGS))
    + f"<div>{_button(' ', 'space', 'skip')}{_button('u', 'u', 'undo')}{_button('q', 'q', 'end')}</div></footer>"
    f"<script>{SCRIPT}</script></body></html>\n"
)
POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's Content-Security-Policy: this style and this script, and requests to where the page came from."""
