// Shows every instant of a page in the viewer's zone, with UTC for whoever points at it: those that stand for themselves (<time>), those inside
// of sentences, whoever wrote them, and those in what is only seen by pointing. Fields that ask for a day or a time of day ask in the viewer's
// zone and send what it means in UTC. Without this file everything is UTC, and says so.
"use strict";

globalThis.failbackTimes = (() => {
  const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const written = /(?<![\w-])(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?: UTC|Z|([+-]\d{2}:\d{2}))(?![\w-])/g;

  // Values as they are kept, which somebody may want to compare to the letter, and what a person types.
  const exact = "time, code, pre, textarea, script, style";

  const inWords = (iso) => `${iso.replace("T", " ").replace(/\.000Z$|Z$/, "")} UTC`;

  function read(match) {
    const at = new Date(`${match[1]}T${match[2]}${match[3] ?? "Z"}`);
    if (Number.isNaN(at.getTime())) return null;
    const iso = at.toISOString();
    // As it is written, with all its digits, unless it is written in another zone.
    const utc = (match[3] ?? "+00:00") === "+00:00" ? `${match[1]} ${match[2]} UTC` : inWords(iso);
    return { local: dateTime.format(at), utc, iso };
  }

  // For where there is nothing to point at.
  const text = (sentence) => sentence.replace(written, (...match) => {
    const at = read(match);
    return at ? `${at.local} (${at.utc})` : match[0];
  });

  function element(document, at) {
    const time = document.createElement("time");
    time.dateTime = at.iso;
    time.title = at.utc;
    time.textContent = at.local;
    return time;
  }

  function showInText(node) {
    if (node.parentElement.matches("title, option")) {
      node.nodeValue = text(node.nodeValue);
      return;
    }
    const parts = [];
    let end = 0;
    for (const match of node.nodeValue.matchAll(written)) {
      const at = read(match);
      if (!at) continue;
      parts.push(node.nodeValue.slice(end, match.index), element(node.ownerDocument, at));
      end = match.index + match[0].length;
    }
    if (parts.length > 0) node.replaceWith(...parts, node.nodeValue.slice(end));
  }

  const two = (number) => String(number).padStart(2, "0");
  const dayOf = (at) => `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;

  // A day begins at its first moment, which is not midnight everywhere when clocks are changed.
  function startOf(day, later) {
    const [year, month, date] = day.split("-").map(Number);
    const at = new Date(2000, 0, 1);
    at.setFullYear(year, month - 1, date + later);
    return Number.isNaN(at.getTime()) ? day : at.toISOString();
  }

  function shift(time, minutes) {
    const [hour, minute] = time.split(":").map(Number);
    const shifted = (hour * 60 + minute + minutes + 2880) % 1440;
    return `${two(Math.floor(shifted / 60))}:${two(shifted % 60)}`;
  }

  // What a field asks for, from and to what it means in UTC: the first day of a period, its last (which is part of it), or a time of every day. That one
  // is what it is at this moment: it stays where it is in UTC when the clocks are changed.
  const kinds = {
    first: { shown: (at) => dayOf(new Date(at)), meaning: (day) => startOf(day, 0) },
    last: { shown: (at) => dayOf(new Date(new Date(at).getTime() - 1)), meaning: (day) => startOf(day, 1) },
    time: { shown: (utc) => shift(utc, -new Date().getTimezoneOffset()), meaning: (time) => shift(time, new Date().getTimezoneOffset()) },
  };

  // What nobody has touched goes back as it came, whatever the clocks did meanwhile and whoever's days they are.
  function meaningOf(field) {
    if (field.value === "") return "";
    return field.dataset.at && field.value === field.dataset.shown ? field.dataset.at : kinds[field.dataset.zoned].meaning(field.value);
  }

  function showField(field) {
    if (field.dataset.at) {
      field.value = kinds[field.dataset.zoned].shown(field.dataset.at);
      field.dataset.shown = field.value;
    }
    sayUtc(field);
  }

  function sayUtc(field) {
    const meaning = meaningOf(field);
    field.title = meaning === "" ? "" : inWords(meaning);
  }

  // What came from the server, once: what this has made of it does not come here again.
  function show(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.textContent = dateTime.format(at);
    }
    for (const name of ["title", "aria-label"]) {
      for (const pointed of root.querySelectorAll(`[${name}]:not(time)`)) {
        const said = pointed.getAttribute(name);
        if (said.search(written) >= 0) pointed.setAttribute(name, text(said));
      }
    }
    const found = [];
    const walker = (root.ownerDocument ?? root).createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      if (walker.currentNode.nodeValue.search(written) >= 0 && !walker.currentNode.parentElement.closest(exact)) found.push(walker.currentNode);
    }
    found.forEach(showInText);
    root.querySelectorAll("input[data-zoned]").forEach(showField);
    for (const hint of root.querySelectorAll("[data-here]")) hint.textContent = hint.dataset.here;
  }

  for (const kind of ["input", "focusin", "pointerover"]) {
    document.addEventListener(kind, (event) => {
      if (event.target instanceof Element && event.target.matches("input[data-zoned]")) sayUtc(event.target);
    });
  }
  document.addEventListener("formdata", (event) => {
    for (const field of event.target.querySelectorAll("input[data-zoned][name]")) {
      if (field.value !== "") event.formData.set(field.name, meaningOf(field));
    }
  });

  return { show, text };
})();
