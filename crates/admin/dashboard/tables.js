// Tables from rows. What comes from the node goes into the page as text and as nothing else.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("aria-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return made;
}

// columns: {title, number, long, of(row)}, of giving text or an element.
export function table(place, caption, columns, rows, nothing, marked = () => "") {
  if (rows.length === 0) {
    place.replaceChildren(element("p", { class: "faint" }, nothing));
    return;
  }
  const kind = (column) => (column.number ? "number" : column.long ? "long" : "");
  const head = element("tr", {}, ...columns.map((one) => element("th", { class: kind(one), scope: "col" }, one.title)));
  const body = rows.map((row) =>
    element("tr", { class: marked(row) }, ...columns.map((one) => element("td", { class: kind(one) }, one.of(row) ?? "–"))));
  const whole = element("table", { "aria-label": caption }, element("thead", {}, head), element("tbody", {}, ...body));
  // What was scrolled to stays in sight, and what had the focus keeps it.
  let scroll = place.firstElementChild;
  if (!scroll?.classList.contains("scroll")) {
    scroll = element("div", { class: "scroll", role: "region", "aria-label": caption, tabIndex: 0 });
    place.replaceChildren(scroll);
  }
  const focused = scroll.contains(document.activeElement) ? document.activeElement.dataset?.key : undefined;
  const [top, left] = [scroll.scrollTop, scroll.scrollLeft];
  scroll.replaceChildren(whole);
  scroll.scrollTo(left, top);
  if (focused) [...scroll.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus();
}

export function amount(number) {
  if (number === undefined || number === null || Number.isNaN(number)) return "–";
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (number >= size * 0.9995) return `${(number / size).toFixed(number < size * 9.95 ? 1 : 0)} ${unit}`;
  }
  return number.toFixed(0);
}

export function age(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const at = Math.max(0, parts.findIndex(([size]) => seconds >= size));
  const first = seconds < 1 ? 3 : at;
  let rest = seconds;
  return parts.slice(first, first + 2).map(([size, unit]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return `${count}${unit}`;
  }).join(" ");
}

export const short = (id) => id.slice(0, 12);
export const words = (text) => text.replaceAll("_", " ");
