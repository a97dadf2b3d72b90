// Shows every instant of a page in the viewer's zone, with UTC for whoever points at it: those that stand for themselves (<time>), those inside
// of sentences, whoever wrote them, and those in what is only seen by pointing. Fields that ask for a day or a time of day ask in the viewer's
// zone and send what it means in UTC. Without this file everything is UTC, and says so.
"use strict";

globalThis.failbackTimes = (() => {
  const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const written = /(?<![\w-])(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?: UTC|Z)(?![\w-])/g;

  // Values as they are kept, which somebody may want to compare to the letter, and what a person types.
  const exact = "time, code, pre, textarea, script, style";

  function read(match) {
    const at = new Date(`${match[1]}T${match[2]}Z`);
    return Number.isNaN(at.getTime()) ? null : { local: dateTime.format(at), utc: `${match[1]} ${match[2]} UTC`, iso: at.toISOString() };
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
  const dayOf = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;

  // What a field means in UTC, by what it asks for: the first day of a period, its last (which is part of it), or a time of every day. What is
  // meant by that is what it is today: a window of every day stays where it is in UTC when the clocks are changed.
  const meanings = {
    first: (value) => new Date(`${value}T00:00`).toISOString(),
    last: (value) => {
      const at = new Date(`${value}T00:00`);
      at.setDate(at.getDate() + 1);
      return at.toISOString();
    },
    time: (value) => {
      const at = new Date();
      at.setHours(...value.split(":").map(Number), 0, 0);
      return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
    },
  };
  const values = {
    first: (at) => dayOf(new Date(at)),
    last: (at) => dayOf(new Date(new Date(at).getTime() - 1)),
    time: (utc) => {
      const at = new Date();
      at.setUTCHours(...utc.split(":").map(Number), 0, 0);
      return `${two(at.getHours())}:${two(at.getMinutes())}`;
    },
  };
  const meaningOf = (field) => (field.value === "" ? "" : meanings[field.dataset.zoned](field.value));

  function sayUtc(field) {
    const meaning = meaningOf(field);
    field.title = meaning === "" ? "" : `${meaning.replace("T", " ").replace(/\.000Z$/, "")} UTC`;
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
    for (const field of root.querySelectorAll("input[data-zoned]")) {
      if (field.dataset.at) field.value = values[field.dataset.zoned](field.dataset.at);
      sayUtc(field);
    }
    for (const hint of root.querySelectorAll("[data-here]")) hint.textContent = hint.dataset.here;
  }

  for (const kind of ["input", "focusin", "pointerover"]) {
    document.addEventListener(kind, (event) => {
      if (event.target.matches("input[data-zoned]")) sayUtc(event.target);
    });
  }
  document.addEventListener("formdata", (event) => {
    for (const field of event.target.querySelectorAll("input[data-zoned][name]")) {
      if (field.value !== "") event.formData.set(field.name, meaningOf(field));
    }
  });

  return { show, text };
})();
