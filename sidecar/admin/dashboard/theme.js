// Sets the colours before the first paint, so it is no module. Owns `data-theme` of the page and the choice made of it.
(() => {
  const KEY = "sidecar-theme";
  const CHOICES = ["system", "dark", "light"];
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      const kept = localStorage.getItem(KEY);
      return CHOICES.includes(kept) ? kept : "system";
    } catch {
      return "system"; // storage may be forbidden
    }
  }

  function apply(choice) {
    document.documentElement.dataset.theme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${choice}`;
  }

  let choice = chosen();
  apply(choice);
  dark.addEventListener("change", () => apply(choice));
  addEventListener("DOMContentLoaded", () => {
    apply(choice);
    document.getElementById("theme").addEventListener("click", () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, choice);
      } catch {
        // then it holds until the page is left
      }
      apply(choice);
    });
  });
})();
