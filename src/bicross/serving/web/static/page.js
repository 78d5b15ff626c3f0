// The keyboard, and which hit is the current one. All else the page does without script, or htmx does.
"use strict";
(() => {
  const all = (pattern, root = document) => [...root.querySelectorAll(pattern)];
  const one = (pattern, root = document) => root.querySelector(pattern);
  const writing = place => place instanceof Element && place.closest("input:not([type=checkbox]), select, textarea") !== null;
  const chinese = text => /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]/.test(text);
  let fading = 0;
  let judged = []; // ids of the forms that were used, the last one last: what `u` takes back

  const current = () => one("article.hit.current");

  function choose(hit, moved) {
    all("article.hit.current").forEach(other => other.classList.remove("current"));
    if (!hit) return light(null);
    hit.classList.add("current");
    if (moved) hit.focus({ preventScroll: true });
    if (moved) hit.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    light(hit.dataset.hit);
  }

  // In the picture, the lines of a hit stand out and the others step back.
  function light(number) {
    all("svg.slope").forEach(picture => {
      picture.classList.toggle("lit", number !== null);
      all("g[data-hit]", picture).forEach(line => line.classList.toggle("on", line.dataset.hit === number));
    });
  }

  function move(by) {
    const hits = all("article.hit");
    if (!hits.length) return;
    const place = hits.indexOf(current());
    choose(hits[Math.max(0, Math.min(hits.length - 1, place < 0 ? 0 : place + by))], true);
  }

  function explain() {
    const why = current() && one("details.why", current());
    if (why) why.open = !why.open;
  }

  function judge(grade) {
    const button = current() && one(`form.judge button[value="${grade}"]`, current());
    if (button) button.click();
  }

  function undo() {
    while (judged.length) {
      const form = document.getElementById(judged.pop()), button = form && one('button[value="undo"]', form);
      if (button && !button.disabled) return button.click();
    }
  }

  function compare() {
    const box = document.getElementById("compare");
    if (!box) return;
    box.checked = !box.checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  const keys = {
    j: () => move(1), k: () => move(-1), e: explain, u: undo, c: compare,
    "/": () => { const field = document.getElementById("question"); if (field) { field.focus(); field.select(); } },
    "?": () => { const help = document.getElementById("keys"); if (help) { help.open = !help.open; one("summary", help).focus(); } },
    0: () => judge(0), 1: () => judge(1), 2: () => judge(2), 3: () => judge(3),
  };

  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && writing(event.target)) return event.target.blur();
    if (writing(event.target)) return;
    const key = event.key.normalize("NFKC");
    if (key === "Enter" && event.target.matches("article.hit")) { event.preventDefault(); return explain(); }
    const act = Object.hasOwn(keys, key.toLowerCase()) && keys[key.toLowerCase()];
    if (act && !(event.repeat && key !== "j" && key !== "k")) { event.preventDefault(); act(); }
  });

  addEventListener("focusin", event => {
    const hit = event.target.closest("article.hit");
    if (hit && hit !== current()) choose(hit, false);
  });
  addEventListener("pointerover", event => {
    const hit = event.target.closest("[data-hit]");
    if (hit) light(hit.dataset.hit); else light(current() ? current().dataset.hit : null);
  });
  addEventListener("click", event => {
    const line = event.target.closest("svg.slope [data-hit]");
    if (line) choose(one(`article.hit[data-hit="${line.dataset.hit}"]`), true);
  });

  // The language of the question as it is written, for fonts and for who reads it aloud.
  addEventListener("input", event => {
    if (event.target.id === "question" && event.target.value) event.target.lang = chinese(event.target.value) ? "zh" : "en";
  });
  // Another setting is another answer, without a press of the button, where there is a question already.
  addEventListener("change", event => {
    const form = event.target.closest("#ask");
    if (form && event.target.id !== "question" && form.elements.q.value.trim()) form.requestSubmit();
  });

  addEventListener("htmx:beforeRequest", event => {
    if (event.target.id === "ask") document.getElementById("answer").setAttribute("aria-busy", "true");
  });
  addEventListener("htmx:afterSettle", event => {
    const place = event.detail.target;
    if (place && place.id === "answer") {
      place.removeAttribute("aria-busy");
      judged = [];
      light(null);
      const summary = one("#answer .summary, #answer .problem p");
      document.getElementById("told").textContent = summary ? summary.textContent.trim() : "";
      if (document.activeElement && document.activeElement.id === "question" && one("article.hit")) document.activeElement.blur();
    }
  });
  addEventListener("htmx:beforeRequest", event => {
    if (event.target.matches("form.judge") && event.detail.requestConfig.parameters.grade !== "undo") judged.push(event.target.id);
  });
  // A judgement swaps its form; the hit stays the current one and keeps the keyboard.
  addEventListener("htmx:afterSwap", event => {
    clearTimeout(fading);
    fading = setTimeout(() => { const toast = document.getElementById("toast"); if (toast) toast.textContent = ""; }, 6000);
    if (event.target.matches("form.judge") && current()) current().focus({ preventScroll: true });
  });
})();
