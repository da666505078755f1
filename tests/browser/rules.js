// What keeps a page from being read and used by everybody, as a list of texts; empty if nothing does.
// After the rules of WCAG 2 (AA) that can be worked out: names, labels, headings, tables, contrast.
() => {
  const found = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const describe = (element) => {
    const id = element.id ? `#${element.id}` : "";
    return `<${element.localName}${id}> ${JSON.stringify(element.textContent.trim().slice(0, 40))}`;
  };
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
  const say = (element, text) => found.push(`${describe(element)}: ${text}`);
  const named = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ");

  /** The name under which a screen reader offers an element. */
  function nameOf(element) {
    const by = element.getAttribute("aria-labelledby");
    const labels = [...(element.labels ?? [])].map((label) => label.textContent).join(" ");
    const own = element.getAttribute("aria-label") ?? element.getAttribute("alt") ?? "";
    const isNamedByText = !element.matches("input, select, textarea, table, dialog, [role=region]");
    return ((by ? named(by) : "") || own || labels || (isNamedByText ? element.textContent : "")).trim();
  }

  // The document.
  if (!document.documentElement.lang) found.push("the page does not say its language");
  if (!document.title.trim()) found.push("the page has no title");
  if (all("main").length !== 1) found.push("there is not exactly one main part");
  const ids = all("[id]").map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`two elements are #${id}`);
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const element of all(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (!document.getElementById(id)) say(element, `${attribute} names #${id}, which is not there`);
      }
    }
  }

  // Names.
  for (const element of all("a[href], button, input, select, textarea, summary, [tabindex], [role=img], img")) {
    if (isShown(element) && element.type !== "hidden" && !nameOf(element)) say(element, "has no name");
  }
  for (const dialog of all("dialog[open]")) if (!nameOf(dialog)) say(dialog, "is a dialog without a name");
  for (const element of all("[tabindex]")) if (element.tabIndex > 0) say(element, "is out of the order of tabs");

  // Headings: one first, none left out.
  const headings = all("h1, h2, h3, h4, h5, h6").filter(isShown).filter((element) => !element.closest("dialog"));
  if (headings.filter((element) => element.localName === "h1").length !== 1) found.push("there is not exactly one h1");
  headings.reduce((before, element) => {
    const level = Number(element.localName[1]);
    if (level > before + 1) say(element, `follows a heading of level ${before}`);
    if (!element.textContent.trim()) say(element, "is an empty heading");
    return level;
  }, 0);

  // Tables and lists.
  for (const table of all("table").filter(isShown)) {
    const heads = [...table.querySelectorAll("thead th")];
    if (heads.length === 0) say(table, "is a table without heads of columns");
    for (const head of table.querySelectorAll("th")) {
      if (!["col", "row", "colgroup", "rowgroup"].includes(head.scope)) say(head, "does not say of what it is the head");
    }
    for (const head of heads) if (!head.textContent.trim()) say(head, "is an empty head of a column");
    for (const row of table.querySelectorAll("tbody tr")) {
      if (row.children.length !== heads.length) say(row, `has ${row.children.length} cells of ${heads.length}`);
      if (row.firstElementChild?.scope !== "row") say(row, "has no head");
    }
    if (!table.caption && !nameOf(table)) say(table, "is a table without a name");
  }
  for (const list of all("ul, ol")) {
    for (const child of list.children) if (child.localName !== "li") say(child, "is in a list and no item of it");
  }
  for (const wide of all("*").filter((element) => element.scrollWidth > element.clientWidth + 1 && isShown(element))) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(wide).overflowX);
    if (scrolls && wide.tabIndex < 0) say(wide, "scrolls, and not by the keyboard");
  }

  // Contrast, of what is on the screen.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const cache = new Map();
  function rgba(color) {
    if (!cache.has(color)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      cache.set(color, [r, g, b, a / 255]);
    }
    return cache.get(color);
  }
  const over = ([r, g, b, a], under) => [...[r, g, b].map((part, at) => part * a + under[at] * (1 - a)), 1];
  function behind(element) {
    if (element === null) return rgba("canvas");
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.localName === "dialog" ? null : element.parentElement));
  }
  const light = (part) => (part <= 0.04045 * 255 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const element = text.parentElement;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const isSeen = isShown(element) && box.width > 1 && box.height > 1 && box.right > 0;
    if (!text.data.trim() || !isSeen || element.closest(":disabled, template, option")) continue;
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ground = behind(element);
    const [a, b] = [luminance(over(rgba(style.color), ground)), luminance(ground)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least) say(element, `has a contrast of ${contrast.toFixed(2)}, which is below ${least}`);
  }
  return found;
};
