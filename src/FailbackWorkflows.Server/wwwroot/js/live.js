// Keeps the page up to date: shows times in the viewer's zone, lets running durations grow, and replaces the regions marked data-live
// when the change feed says that something happened. Without this file the pages work too; they show UTC and stay as they were loaded.
"use strict";

(() => {
  const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  function showTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (!Number.isNaN(at.getTime())) {
        element.textContent = dateTime.format(at);
      }
    }
  }

  function durationText(milliseconds) {
    const seconds = Math.max(0, milliseconds) / 1000;
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    if (seconds < 60) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} min`;
    return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
  }

  // The viewer's clock may be wrong: running durations count from what the server said when the page came.
  function growDurations() {
    for (const element of document.querySelectorAll("[data-since]")) {
      const said = element.dataset.said ?? (element.dataset.said = String(parseDuration(element.textContent)));
      const heard = element.dataset.heard ?? (element.dataset.heard = String(performance.now()));
      element.textContent = durationText(Number(said) + performance.now() - Number(heard));
    }
  }

  function parseDuration(text) {
    const units = { d: 86400000, h: 3600000, min: 60000, s: 1000 };
    let sum = 0;
    for (const [, number, unit] of text.matchAll(/([\d.]+) (d|h|min|s)\b/g)) sum += Number(number) * units[unit];
    return sum;
  }

  // What a person has typed, opened or focused survives the replacement.
  function carryOver(from, to) {
    for (const field of from.querySelectorAll("[data-keep]")) {
      const twin = to.querySelector(`[data-keep="${CSS.escape(field.dataset.keep)}"]`);
      if (twin) twin.value = field.value;
    }
    for (const details of from.querySelectorAll("details[id]")) {
      const twin = to.querySelector(`details#${CSS.escape(details.id)}`);
      if (twin) twin.open = details.open;
    }
  }

  const served = new WeakMap();

  // Puts the parts of a list marked data-live-order in the order in which the server now tells them; the parts themselves stay.
  function reorder(fresh) {
    for (const list of document.querySelectorAll("[data-live-order][id]")) {
      const next = fresh.getElementById(list.id);
      const order = next ? Array.from(next.children, (part) => part.id) : [];
      if (order.join() === Array.from(list.children, (part) => part.id).join()) {
        continue;
      }
      const active = list.contains(document.activeElement) ? document.activeElement : null;
      for (const id of order) {
        const part = Array.from(list.children).find((child) => child.id === id);
        if (part) list.append(part);
      }
      if (active) active.focus({ preventScroll: true });
    }
  }

  function replaceRegions(fresh) {
    reorder(fresh);
    for (const region of document.querySelectorAll("[data-live][id]")) {
      const next = fresh.getElementById(region.id);
      if (!next) {
        continue;
      }
      const html = withoutNoise(next);
      if (served.get(region) === html) {
        continue;
      }
      served.set(region, html);
      const active = region.contains(document.activeElement) ? document.activeElement : null;
      const selection = active && "selectionStart" in active ? [active.selectionStart, active.selectionEnd] : null;
      carryOver(region, next);
      region.replaceChildren(...document.adoptNode(next).childNodes);
      showTimes(region);
      const again = active && active.id ? document.getElementById(active.id) : null;
      if (again) {
        again.focus({ preventScroll: true });
        if (selection && selection[0] !== null && "setSelectionRange" in again) again.setSelectionRange(...selection);
      }
    }
  }

  // Tokens and growing durations differ in every answer and are no reason to touch the page.
  function withoutNoise(region) {
    const copy = region.cloneNode(true);
    for (const field of copy.querySelectorAll("input[type=hidden]")) field.remove();
    for (const duration of copy.querySelectorAll("[data-since]")) duration.textContent = "";
    return copy.innerHTML;
  }

  let fetching = false;
  let again = false;

  async function refresh() {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
        location.reload();
        return;
      }
      if (answer.ok) {
        replaceRegions(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
    } catch (error) {
      // The feed notices a lost connection too and asks again when it is back.
      console.debug("refresh failed", error);
    } finally {
      fetching = false;
      if (again) {
        again = false;
        refresh();
      }
    }
  }

  let waiting = 0;

  function refreshSoon() {
    // A burst of changes is one refresh.
    if (!waiting) {
      waiting = setTimeout(() => {
        waiting = 0;
        refresh();
      }, 120);
    }
  }

  function follow(address) {
    const note = document.getElementById("connection");
    let source = null;
    let quietSince = performance.now();

    function alive() {
      quietSince = performance.now();
      note.hidden = true;
    }

    function connect() {
      source = new EventSource(address);
      source.addEventListener("ready", () => {
        alive();
        // What happened while the line was down, or between the page and this connection.
        refreshSoon();
      });
      source.addEventListener("reset", () => {
        alive();
        refreshSoon();
      });
      source.addEventListener("ping", alive);
      source.addEventListener("change", () => {
        alive();
        refreshSoon();
      });
      source.onerror = () => {
        note.hidden = false;
        // The browser gives up for good when the server answers with an error, as a starting one does.
        if (source.readyState === EventSource.CLOSED) {
          setTimeout(reconnect, 3000);
        }
      };
    }

    async function reconnect() {
      source.close();
      try {
        const answer = await fetch("/api/v1/me", { credentials: "same-origin" });
        if (answer.status === 401) {
          location.reload();
          return;
        }
      } catch (error) {
        console.debug("still away", error);
      }
      connect();
    }

    connect();
    // Three missed heartbeats: the line is dead although nobody said so.
    setInterval(() => {
      if (performance.now() - quietSince > 50000) {
        note.hidden = false;
        quietSince = performance.now();
        reconnect();
      }
    }, 5000);
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => {
      if (event.persisted) {
        connect();
      }
    });
  }

  // A second click while the first is on its way does nothing; the button says so.
  function calmForms() {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      const button = form.querySelector("button[type=submit]");
      if (button && form.dataset.busy) button.textContent = form.dataset.busy;
    });
    addEventListener("pageshow", () => {
      for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    });
  }

  function closeMenus() {
    document.addEventListener("click", (event) => {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        if (!menu.contains(event.target)) menu.open = false;
      }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    });
  }

  for (const region of document.querySelectorAll("[data-live][id]")) served.set(region, withoutNoise(region));
  showTimes(document);
  document.getElementById("zone").textContent = `Times are in your time zone (${Intl.DateTimeFormat().resolvedOptions().timeZone}); point at one to see UTC.`;
  growDurations();
  setInterval(growDurations, 200);
  calmForms();
  closeMenus();
  const feed = document.body.dataset.feed;
  if (feed && "EventSource" in window && document.querySelector("[data-live]")) follow(feed);
})();
