// Plays a run: loads the events around where one is, shows what every activity and variable was then, follows a run that goes on.
"use strict";

(() => {
  const player = document.getElementById("replay-player");
  if (!player) {
    return;
  }
  const url = player.dataset.url;
  const page = 50;
  const mostKept = 2000;
  // What is said comes with the page, with places like {0} in it.
  const texts = JSON.parse(player.dataset.texts);
  const fill = (text, ...values) => text.replace(/\{(\d)\}/g, (_, place) => values[place]);
  const tones = { notExecuted: "quiet", running: "busy", waiting: "warn", done: "ok", failed: "bad", faulted: "bad", cancelled: "quiet" };
  const byId = (id) => document.getElementById(id);
  const slider = byId("replay-slider");
  const play = byId("replay-play");
  const nodes = new Map();
  for (const node of document.querySelectorAll(".replay-node")) nodes.set(Number(node.dataset.index), node);
  const rows = new Map();
  for (const row of byId("activities").children) rows.set(Number(row.dataset.index), row);

  const frames = new Map();
  const loading = new Map();
  let events = Number(player.dataset.events);
  let isLive = player.dataset.running === "true";
  let failures = player.dataset.failures ? player.dataset.failures.split(",").map(Number) : [];
  let current = 0;
  let wanted = 1;
  let timer = null;

  async function load(from) {
    if (!loading.has(from)) {
      loading.set(from, (async () => {
        try {
          const answer = await fetch(`${url}/${from}?take=${page}`, { credentials: "same-origin", headers: { Accept: "application/json" } });
          if (!answer.ok) throw new Error(fill(texts.answered, answer.status));
          const read = await answer.json();
          if (frames.size > mostKept) frames.clear();
          for (const frame of read.items) frames.set(frame.sequence, frame);
          grow(read.events, read.isLive);
        } finally {
          loading.delete(from);
        }
      })());
    }
    return loading.get(from);
  }

  function grow(count, live) {
    isLive = live;
    if (count > events) {
      events = count;
      slider.max = String(events);
    }
  }

  const pageOf = (sequence) => Math.floor((sequence - 1) / page) * page + 1;

  async function go(sequence, isQuiet) {
    wanted = Math.min(Math.max(1, sequence), events);
    slider.value = String(wanted);
    const target = wanted;
    if (!frames.has(target)) {
      try {
        await load(pageOf(target));
      } catch (error) {
        trouble(fill(texts.tryAgain, error.message));
        return;
      }
    }
    if (target !== wanted) {
      return;
    }
    trouble(null);
    const frame = frames.get(target);
    if (frame) show(frame, isQuiet);
    // The next page is there before it is needed.
    const next = pageOf(target) + page;
    if (next <= events && !frames.has(next)) load(next).catch((error) => console.debug("not loaded ahead", error));
    if (frame && !frame.state) {
      frames.delete(target);
      setTimeout(() => { if (wanted === target) go(target, true); }, 300);
    }
  }

  function trouble(text) {
    byId("replay-trouble").hidden = text === null;
    byId("replay-trouble").textContent = text ?? "";
  }

  function show(frame, isQuiet) {
    current = frame.sequence;
    frame.states.forEach((state, index) => {
      const word = texts[state] ?? state;
      const tone = tones[state] ?? "quiet";
      const node = nodes.get(index);
      if (node) {
        node.dataset.state = state;
        node.classList.toggle("is-current", index === frame.nodeIndex);
        node.querySelector(".replay-state").textContent = word;
      }
      const row = rows.get(index);
      if (row) {
        row.toggleAttribute("aria-current", index === frame.nodeIndex);
        const badge = row.querySelector(".badge");
        if (badge.textContent !== word) {
          badge.textContent = word;
          badge.className = `badge ${tone}`;
        }
      }
    });
    const label = rows.get(frame.nodeIndex)?.dataset.label ?? "";
    const node = nodes.get(frame.nodeIndex);
    if (node) {
      const box = node.closest("details");
      if (!box.open) box.open = true;
      scrollTo(node);
    }
    byId("event-kind").textContent = texts[frame.kind] ?? frame.kind;
    byId("event-at").textContent = frame.at;
    failbackTimes.show(byId("event-at"));
    byId("event-actor").textContent = frame.actor ? frame.actor.name + (frame.actor.address ? ` (${frame.actor.address})` : "") : texts.follows;
    byId("event-node").textContent = label || texts.whole;
    byId("event-raw").textContent = JSON.stringify(frame.event, null, 2);
    parts(frame.event);
    if (frame.state) {
      facts(byId("variables"), frame.state.variables);
      facts(byId("outputs"), frame.state.output);
    }
    const where = label ? (isLive ? texts.whereInSoFar : texts.whereIn) : isLive ? texts.whereSoFar : texts.where;
    const text = fill(where, frame.sequence, events, texts[frame.kind] ?? frame.kind, label);
    slider.setAttribute("aria-valuetext", text);
    // While it plays, saying every event would drown everything else.
    byId("replay-where").setAttribute("aria-live", isQuiet ? "off" : "polite");
    byId("replay-where").textContent = text;
  }

  function scrollTo(node) {
    const canvas = node.closest(".replay-canvas");
    const box = node.querySelector("rect");
    const drawn = node.ownerSVGElement;
    const scale = drawn.clientWidth / drawn.viewBox.baseVal.width || 1;
    const x = Number(box.getAttribute("x")) * scale;
    const y = Number(box.getAttribute("y")) * scale;
    if (x < canvas.scrollLeft || x + 240 > canvas.scrollLeft + canvas.clientWidth) canvas.scrollLeft = Math.max(0, x - canvas.clientWidth / 3);
    if (y < canvas.scrollTop || y + 70 > canvas.scrollTop + canvas.clientHeight) canvas.scrollTop = Math.max(0, y - canvas.clientHeight / 3);
  }

  const textOf = (value) => (typeof value === "string" ? value : JSON.stringify(value));

  function facts(list, values) {
    const items = [];
    for (const [name, value] of Object.entries(values ?? {})) {
      const term = document.createElement("dt");
      term.textContent = name;
      const fact = document.createElement("dd");
      fact.textContent = value === null ? "–" : textOf(value);
      items.push(term, fact);
    }
    if (items.length === 0) {
      const none = document.createElement("dt");
      none.textContent = texts.none;
      items.push(none, document.createElement("dd"));
    }
    list.replaceChildren(...items);
    failbackTimes.show(list);
  }

  function parts(event) {
    const shown = [];
    const add = (title, values) => {
      const head = document.createElement("h3");
      head.textContent = title;
      const list = document.createElement("dl");
      list.className = "facts";
      facts(list, values);
      shown.push(head, list);
    };
    if (event.reason) add(texts.reason, { reason: event.reason });
    if (event.input) add(texts.input, event.input);
    if (event.inputs) add(texts.inputs, event.inputs);
    if (event.outcomes) add(texts.outcome, { outcome: event.outcomes.join(", ") });
    if (event.outputs) add(texts.outputs, event.outputs);
    if (event.variables) add(texts.variables, event.variables);
    if (event.fault) add(texts.fault, event.fault);
    if (event.payload) add(texts.payload, { payload: event.payload });
    if (event.notes) add(texts.notes, Object.fromEntries(event.notes.map((note, i) => [String(i + 1), note])));
    for (const call of event.calls ?? []) add(fill(texts.call, call.operation), call);
    for (const clock of event.clocks ?? []) add(fill(texts.clock, clock.of), { [texts.offset]: clock.offsetMilliseconds, [texts.uncertainty]: clock.uncertaintyMilliseconds });
    byId("event-parts").replaceChildren(...shown);
  }

  function setPlaying(isPlaying) {
    clearTimeout(timer);
    timer = null;
    play.textContent = isPlaying ? texts.pause : texts.play;
    play.setAttribute("aria-pressed", String(isPlaying));
    if (isPlaying) tick();
  }

  async function tick() {
    const perSecond = Number(byId("replay-speed").value);
    // Faster than a screen shows: several events at once.
    const step = Math.max(1, Math.round(perSecond / 20));
    if (current < events) {
      await go(current + step, true);
    } else if (!isLive) {
      setPlaying(false);
      return;
    }
    if (play.getAttribute("aria-pressed") === "true") timer = setTimeout(tick, (1000 * step) / perSecond);
  }

  function nextFailure() {
    const next = failures.find((sequence) => sequence > current) ?? failures[0];
    if (next) go(next);
  }

  const steps = {
    ArrowRight: () => go(wanted + 1), ArrowLeft: () => go(wanted - 1), PageDown: () => go(wanted + 100), PageUp: () => go(wanted - 100),
    Home: () => go(1), End: () => go(events), p: () => setPlaying(play.getAttribute("aria-pressed") !== "true"), f: nextFailure,
  };
  byId("replay-first").addEventListener("click", steps.Home);
  byId("replay-back").addEventListener("click", steps.ArrowLeft);
  byId("replay-forward").addEventListener("click", steps.ArrowRight);
  byId("replay-last").addEventListener("click", steps.End);
  byId("replay-failure").addEventListener("click", nextFailure);
  play.addEventListener("click", steps.p);
  slider.addEventListener("input", () => go(Number(slider.value), true));
  slider.addEventListener("change", () => go(Number(slider.value)));
  document.addEventListener("keydown", (event) => {
    const step = steps[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, textarea, pre, .replay-canvas, input:not([type=range])")) {
      return;
    }
    event.preventDefault();
    step();
  });

  // A run that goes on: the end moves, and whoever stands there goes with it.
  async function follow() {
    try {
      const answer = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (answer.ok) {
        const head = await answer.json();
        const wasAtEnd = wanted === events;
        failures = head.failures;
        byId("replay-failure").disabled = failures.length === 0;
        const grew = head.events > events;
        grow(head.events, head.isLive);
        if (grew) {
          frames.delete(wanted);
          if (wasAtEnd) go(events, true);
        }
      }
    } catch (error) {
      console.debug("not followed", error);
    }
    if (isLive) setTimeout(follow, 2000);
  }

  go(Number(new URLSearchParams(location.search).get("event") ?? "1"));
  if (isLive) setTimeout(follow, 2000);
})();
