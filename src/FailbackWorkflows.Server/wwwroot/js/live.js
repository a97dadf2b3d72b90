// Keeps the page up to date: lets running durations grow, and replaces the regions marked data-live
// when the change feed says that something happened. Without this file the pages work too; they show UTC and stay as they were loaded.
"use strict";

(() => {
  // Sentences and units come with the page, with places like {0} and {1:00} in them; how a value is written is decided here.
  const texts = document.body.dataset;
  const fill = (text, ...values) => text.replace(/\{(\d)[^}]*\}/g, (_, place) => values[place]);

  function durationText(milliseconds) {
    const seconds = Math.max(0, milliseconds) / 1000;
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    if (seconds < 60) return fill(texts.seconds, (Math.floor(seconds * 10) / 10).toFixed(1));
    if (seconds < 3600) return fill(texts.minutes, Math.floor(seconds / 60), two(seconds % 60));
    if (seconds < 86400) return fill(texts.hours, Math.floor(seconds / 3600), two((seconds % 3600) / 60));
    return fill(texts.days, Math.floor(seconds / 86400), Math.floor((seconds % 86400) / 3600));
  }

  // The viewer's clock may be wrong: running durations count from what the server said when the page came.
  function growDurations() {
    for (const element of document.querySelectorAll("[data-since]")) {
      const heard = element.dataset.heard ?? (element.dataset.heard = String(performance.now()));
      element.textContent = durationText(Number(element.dataset.length) + performance.now() - Number(heard));
    }
  }

  // What a person has typed, opened or focused survives the replacement.
  function carryOver(from, to) {
    for (const field of from.querySelectorAll("[data-keep]")) {
      const twin = to.querySelector(`[data-keep="${CSS.escape(field.dataset.keep)}"]`);
      // What a script has put there is put there again.
      if (twin && field.value !== field.dataset.shown) twin.value = field.value;
    }
    for (const details of from.querySelectorAll("details[id]")) {
      const twin = to.querySelector(`details#${CSS.escape(details.id)}`);
      if (twin) twin.open = details.open;
    }
  }

  // What a person takes for the same thing. Most links and buttons of a list have no id.
  const look = (element) => [element.getAttribute("name"), element.getAttribute("href"), element.getAttribute("aria-label"), element.textContent.trim()].join("|");
  const alike = (region, element) => Array.from(region.querySelectorAll(element.localName)).filter((other) => look(other) === look(element));

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
      const place = active && !active.id ? alike(region, active).indexOf(active) : -1;
      failbackTimes.show(next);
      carryOver(region, next);
      region.replaceChildren(...document.adoptNode(next).childNodes);
      const again = active ? (active.id ? document.getElementById(active.id) : alike(region, active)[place]) : null;
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
    for (const duration of copy.querySelectorAll("[data-since]")) {
      duration.textContent = "";
      duration.removeAttribute("data-length");
    }
    return copy.innerHTML;
  }

  // What comes of a form that was sent takes the page's place; a reload meanwhile would take the place of that.
  const sendingMilliseconds = 10_000;
  let sentAt = Number.NEGATIVE_INFINITY;
  document.addEventListener("submit", () => { sentAt = performance.now(); }, true);

  // Nobody made these requests: they keep no session alive.
  const quiet = { "X-Failback-Quiet": "1" };
  let fetching = false;
  let again = false;

  // A burst of changes is one refresh.
  function refreshAfter(milliseconds) {
    let waiting = 0;
    return () => {
      waiting ||= setTimeout(() => {
        waiting = 0;
        refresh();
      }, milliseconds);
    };
  }

  const refreshSoon = refreshAfter(120);
  const refreshLater = refreshAfter(5000);

  async function refresh() {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      // Not followed: a sign-in page that is loaded behind the one somebody types into would take its anti-forgery cookie away.
      const answer = await fetch(location.href, { headers: { Accept: "text/html", ...quiet }, credentials: "same-origin", redirect: "manual" });
      // Or what the page is about is gone: the server has a page that says so.
      if (answer.type === "opaqueredirect" || answer.status === 404) {
        if (performance.now() - sentAt < sendingMilliseconds) setTimeout(refreshSoon, sendingMilliseconds);
        else location.reload();
        return;
      }
      if (answer.ok) {
        replaceRegions(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } else if (answer.status >= 500) {
        refreshLater();
      }
    } catch (error) {
      console.debug("refresh failed", error);
      refreshLater();
    } finally {
      fetching = false;
      if (again) {
        again = false;
        refresh();
      }
    }
  }

  function follow(address) {
    const note = document.getElementById("connection");
    let source = null;
    let quietSince = performance.now();
    let reconnecting = false;

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
      if (reconnecting) {
        return;
      }
      reconnecting = true;
      source.close();
      try {
        const answer = await fetch("/api/v1/me", { headers: quiet, credentials: "same-origin", signal: AbortSignal.timeout(10000) });
        if (answer.status === 401) {
          location.reload();
          return;
        }
      } catch (error) {
        console.debug("still away", error);
      } finally {
        reconnecting = false;
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
  failbackTimes.show(document);
  document.getElementById("zone").textContent = fill(texts.zone, Intl.DateTimeFormat().resolvedOptions().timeZone);
  growDurations();
  setInterval(growDurations, 200);
  calmForms();
  closeMenus();
  const feed = document.body.dataset.feed;
  if (feed && "EventSource" in window && document.querySelector("[data-live]")) follow(feed);
})();
