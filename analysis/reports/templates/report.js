"use strict";
// Sorting by a click on a column's head: up, down, as it was.
const value = (cell) => {
  const text = cell.textContent.trim().replace("−", "-").replace(/,(?=\d{3})/g, "");
  const number = parseFloat(text.replace(/^[^\d-]+/, ""));
  return { text, number };
};
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
  if (original.length < 3) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort || "none"];
      heads.forEach((other) => { other.ariaSort = "none"; });
      head.ariaSort = next;
      const numeric = head.classList.contains("number"), sign = next === "descending" ? -1 : 1;
      const rows = [...original];
      if (next !== "none") rows.sort((one, two) => {
        const a = value(one.cells[column]), b = value(two.cells[column]);
        if (!numeric) return sign * a.text.localeCompare(b.text);
        if (isNaN(a.number) || isNaN(b.number)) return isNaN(a.number) - isNaN(b.number);
        return sign * (a.number - b.number);
      });
      body.append(...rows);
    });
  });
}
// What a point is, under the pointer or the finger, or by the arrow keys in a figure that has the focus. Without this script the browser shows the titles itself.
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
tip.setAttribute("role", "status");
document.body.append(tip);
for (const point of document.querySelectorAll("circle.point")) {
  const title = point.querySelector("title");
  point.ariaLabel = title.textContent;
  title.remove();
}
const tell = (point) => {
  tip.hidden = !point;
  if (!point) return;
  tip.textContent = point.ariaLabel;
  const box = point.getBoundingClientRect(), width = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(8, Math.min(box.left + box.width / 2 - tip.offsetWidth / 2, width - tip.offsetWidth - 8))}px`;
  tip.style.top = `${box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
};
const show = (event) => { tell(event.target.closest("circle.point")); };
for (const figure of document.querySelectorAll("svg")) {
  const points = [...figure.querySelectorAll("circle.point")];
  if (!points.length) continue;
  let place = -1;
  figure.tabIndex = 0;
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") tip.hidden = true;
    if (!step) return;
    event.preventDefault();
    place = ((step > 0 ? place : Math.max(place, 0)) + step + points.length) % points.length;
    tell(points[place]);
  });
  figure.addEventListener("blur", () => { tip.hidden = true; });
}
document.addEventListener("pointerover", show);
document.addEventListener("pointerdown", show);
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
// A click on a strip of images, or Enter or Space on it, shows it as large as the window; another, or Escape, puts it back.
for (const image of document.querySelectorAll(".sheet img")) {
  image.tabIndex = 0;
  image.setAttribute("role", "button");
  image.alt += ", enlarge";
  const zoom = (large) => {
    image.classList.toggle("zoomed", large);
    image.ariaPressed = String(large);
  };
  zoom(false);
  image.addEventListener("click", () => zoom(!image.classList.contains("zoomed")));
  image.addEventListener("blur", () => zoom(false));
  image.addEventListener("keydown", (event) => {
    if (event.key === "Escape") zoom(false);
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    zoom(!image.classList.contains("zoomed"));
  });
}
