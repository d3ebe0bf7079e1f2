// Keys for the rating page, and no second submission by impatience. The page works without this.
"use strict";
(() => {
  const opened = performance.now();
  const task = document.getElementById("task");
  const choices = () => Array.from(document.querySelectorAll("button[data-key]:not(:disabled)"));
  const answers = () => (task ? Array.from(task.querySelectorAll("button.choice:not(:disabled)")) : []);

  const typing = (target) => target instanceof Element && target.closest("textarea, input, select") !== null;

  function move(step) {
    const all = answers();
    if (all.length === 0) return false;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length;
    all[next].focus();
    return true;
  }

  function press(key) {
    const wanted = key === "=" ? "0" : key.toLowerCase();
    const button = choices().find((b) => b.dataset.key === wanted);
    if (!button) return false;
    button.click();
    return true;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
    // The key that answered the last page, still held or hit twice, must not answer this one.
    if (performance.now() - opened < 250) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1 }; // up and down scroll
    const used = event.key in steps ? move(steps[event.key]) : event.key.length === 1 && press(event.key);
    if (used) event.preventDefault();
  });

  for (const form of document.forms) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  // A page that comes back from the browser's memory can be used again.
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });
})();
