// Hosts the designer (Elsa Studio) inside our own page: makes its elements, gives it the addresses it may use, asks what it cannot ask itself (a reason for
// publishing, the inputs of a run), and takes the person to the sign-in page when the session has ended, because the designer would only stop working.
"use strict";

(() => {
  const place = document.getElementById("designer");
  const { antiforgery, antiforgeryHeader, area, id } = place.dataset;
  // What is said comes with the page.
  const texts = JSON.parse(place.dataset.texts);
  const api = `${location.origin}/elsa/api`;
  const realFetch = window.fetch.bind(window);

  // --- The designer's own helpers, which our content policy does not let it write into the page as a script.
  const hotkeys = new Set();
  window.editorHotkeys = {
    register(ref) { hotkeys.add(ref); },
    dispose(ref) { if (ref === undefined) hotkeys.clear(); else hotkeys.delete(ref); },
  };
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || hotkeys.size === 0) return;
    const key = event.key.toLowerCase();
    const method = key === "s" && id ? (event.shiftKey ? "OnHotKeysCtrlShiftS" : "OnHotKeysCtrlS") : key === "r" && area === "instances" && !id ? "OnHotKeysCtrlR" : null;
    if (method === null) return;
    event.preventDefault();
    for (const ref of hotkeys) ref.invokeMethodAsync(method).catch((error) => console.warn(method, error));
  });

  // --- Addresses: one view per page load. The designer changes the path without showing anything.
  const base = new URL(document.baseURI).pathname;
  const pushState = history.pushState.bind(history);
  history.pushState = (state, title, url) => {
    const target = url === undefined || url === null ? null : new URL(url, document.baseURI);
    if (target && altered(target.pathname)) tellOfAltering(altered(target.pathname));
    else if (target && target.pathname !== location.pathname) location.assign(target);
    else pushState(state, title, url);
  };
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    const href = link?.getAttribute("href") ?? "";
    if (href.startsWith("/workflows/definitions/") || href.startsWith("/workflows/instances/")) {
      event.preventDefault();
      event.stopPropagation();
      location.assign(base + href.slice(1));
    } else if (href.includes("/diagnostics/structured-logs")) {
      event.preventDefault();
      event.stopPropagation();
      location.assign(`/runs/${encodeURIComponent(new URL(href, location.origin).searchParams.get("workflowInstanceId") ?? id)}`);
    } else if (altered(href)) {
      event.preventDefault();
      event.stopPropagation();
      tellOfAltering(altered(href));
    }
  }, true);

  // The designer's way to change a run by hand leads to a page of another module. It offers that where a server announces it, which ours does not.
  function altered(url) {
    return /(?:^|\/)alterations\/instances\/([^/?#]+)/.exec(url ?? "")?.[1] ?? null;
  }

  // The designer's code view reads from its editor, which there is not where a workflow is only looked at: it would stop the designer.
  for (const kind of ["click", "keydown"]) {
    document.addEventListener(kind, (event) => {
      const tab = event.target instanceof Element ? event.target.closest(".mud-tab") : null;
      if (!tab || area !== "definitions" || tab.textContent.replace(/\s/g, "").toLowerCase() !== "codeview" || tab.classList.contains("mud-tab-active")) return;
      if ((kind === "keydown" && event.key !== "Enter" && event.key !== " ") || document.getElementById("workflow-file-upload-button-wrapper")) return;
      event.preventDefault();
      event.stopPropagation();
      tell({ tone: "warn", text: texts.noCode, href: `/workflows/${id}`, link: texts.versions });
    }, true);
  }

  function tellOfAltering(instance) {
    tell({ tone: "warn", text: texts.notAltered, href: `/runs/${instance}`, link: texts.stepsOfTheRun });
  }

  // --- Messages above the designer.
  const messages = document.getElementById("designer-messages");
  function tell({ tone, text, href, link }) {
    // Said once more it is news again: it goes where news is, instead of standing there twice.
    [...messages.children].find((known) => known.dataset.text === text)?.remove();
    const box = document.createElement("div");
    box.className = `designer-message ${tone ?? ""}`;
    box.dataset.text = text;
    const words = document.createElement("div");
    words.textContent = failbackTimes.text(text);
    if (href) {
      const anchor = document.createElement("a");
      anchor.href = href;
      anchor.textContent = link ?? texts.open;
      words.append(" ", anchor);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", texts.close);
    close.addEventListener("click", () => box.remove());
    box.append(words, close);
    messages.append(box);
    // What was refused stays longer than good news of the same moment.
    while (messages.children.length > 6) (messages.querySelector(".designer-message.ok") ?? messages.firstElementChild).remove();
    // Good news, and what the person has done just now, needs nobody to close it.
    if (tone === "ok" || tone === undefined) setTimeout(() => box.remove(), 15_000);
  }

  function hear(response) {
    const text = response.headers.get("x-failback-messages");
    if (text) for (const message of JSON.parse(decodeURIComponent(text))) tell(message);
  }

  // --- Questions that the designer does not ask.
  const dialog = document.getElementById("ask");
  // A question that is left open for longer than the designer waits for its request is closed, as if it had been cancelled: its answer would go nowhere.
  function ask({ title, text, go, fields, signal }) {
    document.getElementById("ask-title").textContent = title;
    document.getElementById("ask-text").textContent = failbackTimes.text(text ?? "");
    document.getElementById("ask-go").textContent = go;
    document.getElementById("ask-fields").replaceChildren(...fields.map(toField));
    return new Promise((resolve) => {
      const tooLate = () => dialog.close("");
      signal?.addEventListener("abort", tooLate);
      dialog.addEventListener("close", () => {
        signal?.removeEventListener("abort", tooLate);
        resolve(dialog.returnValue === "go" ? readFields(fields) : null);
      }, { once: true });
      dialog.returnValue = "";
      dialog.showModal();
    });
  }

  function toField(field) {
    const box = document.createElement("div");
    const isCheck = field.kind === "check";
    box.className = isCheck ? "ask-field check" : "ask-field";
    const label = document.createElement("label");
    label.textContent = field.label;
    label.htmlFor = `ask-${field.name}`;
    let input;
    if (field.options) {
      input = document.createElement("select");
      input.append(new Option("", ""), ...field.options.map((option) => new Option(failbackTimes.text(option.text), option.value)));
    } else {
      input = document.createElement(field.kind === "json" ? "textarea" : "input");
      if (isCheck) input.type = "checkbox";
      if (field.kind === "number") { input.type = "number"; input.step = "any"; }
      if (input.tagName === "INPUT" && input.type === "text") input.maxLength = 1000;
    }
    input.id = `ask-${field.name}`;
    input.required = Boolean(field.required) && !isCheck;
    box.append(...(isCheck ? [input, label] : [label, input]));
    if (field.description) {
      const hint = document.createElement("span");
      hint.textContent = field.description;
      box.append(hint);
    }
    return box;
  }

  function readFields(fields) {
    const values = {};
    for (const field of fields) {
      const input = document.getElementById(`ask-${field.name}`);
      if (field.kind === "check") values[field.name] = input.checked;
      else if (input.value !== "") values[field.name] = field.kind === "number" ? Number(input.value) : field.kind === "json" ? parse(input.value) : input.value;
    }
    return values;
  }

  function parse(text) {
    try { return JSON.parse(text); } catch { return text; }
  }

  // --- Between the designer and the server.
  const refused = (sentence) => new Response(JSON.stringify({ statusCode: 400, message: sentence, errors: { generalErrors: [sentence] } }), { status: 400, headers: { "content-type": "application/json" } });
  const notStarted = () => new Response(null, { status: 200, headers: { "x-elsa-workflow-cannot-start": "true" } });
  const never = new Promise(() => {});
  let saving = Promise.resolve();

  window.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, document.baseURI);
    return url.origin === location.origin && url.pathname.startsWith("/elsa/api/") ? call(url, input, init ?? {}) : realFetch(input, init);
  };

  async function call(url, input, init) {
    const path = url.pathname.slice("/elsa/api".length);
    const method = (init.method ?? "GET").toUpperCase();
    const answer = async (response) => hearAnswer(method, path, response);
    if (method !== "POST") return answer(await realFetch(input, init));
    if (path === "/workflow-definitions") {
      const body = readBody(init.body);
      // One after the other, so that a slow save cannot arrive after a later one.
      const turn = saving.then(() => (body?.publish === true ? publish(path, input, init) : realFetch(input, init)));
      saving = turn.catch(() => {});
      return answer(await turn);
    }
    if (/^\/workflow-definitions\/[^/]+\/publish$/.test(path) || path.startsWith("/bulk-actions/publish/")) return answer(await publish(path, input, init));
    const run = path.match(/^\/workflow-definitions\/([^/]+)\/execute$/);
    if (run) return answer(await execute(run[1], input, init));
    return answer(await realFetch(input, init));
  }

  async function publish(path, input, init) {
    const given = await ask({
      title: texts.publishTitle,
      text: texts.publishText,
      go: texts.publish,
      signal: init.signal,
      fields: [{ name: "reason", label: texts.reason, required: true, description: texts.publishReason }],
    });
    if (given === null) {
      if (showsRefusals("POST", path)) return refused(texts.publishCancelled);
      tell({ text: texts.publishCancelled });
      abandoned(texts.publishCancelled);
    }
    return realFetch(input, withReason(init, given.reason));
  }

  async function execute(definition, input, init) {
    const body = readBody(init.body) ?? {};
    const question = await realFetch(`${api}/run-questions/${definition}?versionOptions=${encodeURIComponent(body.versionOptions ?? "")}`);
    if (!question.ok) return question.status === 403 ? question : notStarted();
    const { title, text, needsReason, fields } = await question.json();
    if (fields.length === 0 && !needsReason) return realFetch(input, init);
    const reason = { name: "reason", label: texts.reason, required: needsReason, description: texts.runReason };
    const given = await ask({ title, text, go: texts.run, signal: init.signal, fields: [...fields.map((field) => ({ ...field, name: `in-${field.name}` })), reason] });
    if (given === null) {
      tell({ text: texts.notStarted });
      return notStarted();
    }
    body.input = Object.fromEntries(Object.entries(given).filter(([name]) => name.startsWith("in-")).map(([name, value]) => [name.slice(3), value]));
    return realFetch(input, withReason({ ...init, body: JSON.stringify(body) }, given.reason));
  }

  function withReason(init, reason) {
    const headers = new Headers(init.headers);
    if (reason) headers.set("x-failback-reason", encodeURIComponent(reason));
    return { ...init, headers };
  }

  function readBody(body) {
    try {
      if (typeof body === "string") return JSON.parse(body);
      if (body instanceof Uint8Array || body instanceof ArrayBuffer) return JSON.parse(new TextDecoder().decode(body));
    } catch (error) {
      console.warn("a request of the designer could not be read", error);
    }
    return null;
  }

  async function hearAnswer(method, path, response) {
    hear(response);
    if (response.status === 401) {
      signIn();
      return never;
    }
    if (response.status === 403) {
      const problem = await response.clone().json().catch(() => null);
      const sentence = problem?.detail ?? texts.denied;
      if (showsRefusals(method, path)) return refused(sentence);
      tell({ tone: "bad", text: sentence });
      return path.endsWith("/execute") ? notStarted() : abandoned(sentence);
    }
    if (response.status === 400 && !showsRefusals(method, path)) {
      const problem = await response.clone().json().catch(() => null);
      const sentences = problem?.errors?.generalErrors ?? [problem?.detail ?? problem?.message ?? texts.refused];
      for (const sentence of sentences) tell({ tone: "bad", text: sentence });
      // An import shows that it failed, with the status instead of the reason.
      return path === "/workflow-definitions/import" ? response : abandoned(sentences[0]);
    }
    return response;
  }

  // Only what saves a definition shows why it was refused. Anything else takes a refusal for a defect and says that the designer has stopped.
  function showsRefusals(method, path) {
    return method === "POST" && path === "/workflow-definitions";
  }

  // A request that was given up is the one end that the designer takes quietly: it leaves everything as it is.
  function abandoned(sentence) {
    throw new DOMException(sentence, "AbortError");
  }

  // --- The session: a quiet question that does not prolong it.
  function signIn() {
    location.assign(`/sign-in?returnUrl=${encodeURIComponent(location.pathname)}`);
  }

  setInterval(async () => {
    const response = await realFetch("/studio/session", { cache: "no-store" }).catch(() => null);
    if (response?.status === 401) signIn();
  }, 30_000);

  // --- A fatal error of the designer shows this bar; it takes the attribute away by its own style.
  new MutationObserver(() => {
    const bar = document.getElementById("blazor-error-ui");
    if (bar && bar.style.display !== "none" && bar.style.display !== "") bar.hidden = false;
  }).observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["style"] });

  // --- The elements. The provider goes first: the others ask it for the address when they begin.
  const provider = document.createElement("elsa-backend-provider");
  provider.setAttribute("remote-endpoint", api);
  provider.setAttribute("tenant-id", antiforgery);
  provider.setAttribute("tenant-id-header-name", antiforgeryHeader);
  const tag = area === "instances"
    ? (id ? "elsa-workflow-instance-viewer" : "elsa-workflow-instance-list")
    : (id ? "elsa-workflow-definition-editor" : "elsa-workflow-definition-list");
  const view = document.createElement(tag);
  if (id) view.setAttribute(area === "instances" ? "instance-id" : "definition-id", id);
  const edit = (definition) => location.assign(`${base}workflows/definitions/${encodeURIComponent(definition)}/edit`);
  const watch = (instance) => location.assign(`${base}workflows/instances/${encodeURIComponent(instance)}/view`);
  // Set before the element is defined they would be lost.
  customElements.whenDefined(tag).then(() => {
    view.editWorkflowDefinition = edit;
    view.viewWorkflowInstance = watch;
  });
  place.append(provider, view);
  new MutationObserver((_, observer) => {
    if (view.childElementCount > 0) {
      document.getElementById("designer-loading")?.remove();
      observer.disconnect();
    }
  }).observe(view, { childList: true, subtree: true });
})();
