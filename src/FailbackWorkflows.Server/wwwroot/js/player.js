// Plays the segments of a restored stretch one after the other. Without this file each one is played by a click on its link.
"use strict";

(() => {
  const media = document.getElementById("player-media");
  if (!media) {
    return;
  }
  const links = [...document.querySelectorAll("#player .pieces a[data-url]")].filter((link) => link.dataset.media === media.localName);
  const times = document.getElementById("player-times");
  const trouble = document.getElementById("player-error");

  function show(link) {
    for (const other of links) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    trouble.hidden = true;
    times.replaceChildren(...Array.from(link.childNodes, (part) => part.cloneNode(true)));
    media.src = link.dataset.url;
    // A browser that wants a click first says so by refusing; the controls are there for it.
    media.play().catch((error) => console.debug("not playing", error));
  }

  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(link);
    });
  }

  media.addEventListener("ended", () => {
    const next = links[links.findIndex((link) => link.getAttribute("aria-current") === "true") + 1];
    if (next) show(next);
  });
  media.addEventListener("error", () => {
    trouble.hidden = false;
  });
  if (media.error) trouble.hidden = false;
})();
