"use strict";

const { unit, colours, choices, cards } = JSON.parse(document.getElementById("cards").textContent);
const LAYERS = [["image", "Image"], ["target", "Target"], ["answer", "Answer"], ["cells", "Cells"]];
const USUAL = ["image", "target", "answer"];
const byId = (id) => document.getElementById(id);
const bar = byId("bar"), grid = byId("grid"), detail = byId("detail");

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// ------------------------------------------------------------------ masks: COCO's run lengths

function lengths(text) {
  const found = [];
  for (let at = 0; at < text.length;) {
    let value = 0, shift = 0, letter;
    do {
      letter = text.charCodeAt(at++) - 48;
      value |= (letter & 31) << shift;
      shift += 5;
    } while (letter & 32);
    if (letter & 16) value |= -1 << shift;
    if (found.length > 2) value += found[found.length - 2];
    found.push(value);
  }
  return found;
}

// A mask of 0 and 1 by rows, from runs that go down the columns.
function pixels(text, [height, width]) {
  const mask = new Uint8Array(height * width);
  let x = 0, y = 0, set = false;
  for (let length of lengths(text)) {
    while (length > 0) {
      const step = Math.min(length, height - y);
      if (set) for (let k = y * width + x, n = 0; n < step; n++, k += width) mask[k] = 1;
      length -= step;
      y += step;
      if (y === height) { y = 0; x++; }
    }
    set = !set;
  }
  return mask;
}

const packed = ([red, green, blue], alpha) => (alpha << 24) | (blue << 16) | (green << 8) | red;

// Paints a mask: its inside, its edge, and a dark line around it; a colour of 0 paints nothing.
function paint(veil, mask, [height, width], inside, edge, halo) {
  for (let y = 0, k = 0; y < height; y++) {
    for (let x = 0; x < width; x++, k++) {
      if (mask[k]) {
        const deep = (x === 0 || mask[k - 1]) && (x === width - 1 || mask[k + 1])
          && (y === 0 || mask[k - width]) && (y === height - 1 || mask[k + width]);
        const colour = deep ? inside : edge;
        if (colour) veil[k] = colour;
      } else if (halo && ((x && mask[k - 1]) || (x < width - 1 && mask[k + 1])
          || (y && mask[k - width]) || (y < height - 1 && mask[k + width]))) veil[k] = halo;
    }
  }
}

// A mask scaled up, with smooth edges.
function enlarged(mask, [height, width], scale) {
  const image = new ImageData(width, height), alpha = new Uint32Array(image.data.buffer);
  mask.forEach((set, k) => { if (set) alpha[k] = 0xff000000; });
  const small = new OffscreenCanvas(width, height), large = new OffscreenCanvas(width * scale, height * scale);
  small.getContext("2d").putImageData(image, 0, 0);
  const context = large.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, large.width, large.height);
  const { data } = context.getImageData(0, 0, large.width, large.height);
  return Uint8Array.from({ length: large.width * large.height }, (_, k) => data[4 * k + 3] >> 7);
}

function drawCells(context, region, number, scale) {
  const [rows, columns] = region.grid, [x1, y1, x2, y2] = region.box.map((side) => side * scale);
  const wide = (x2 - x1) / columns, high = (y2 - y1) / rows;
  const cells = pixels(region.cells, region.grid);
  context.fillStyle = `rgb(${colours[number % colours.length].join(" ")} / 0.6)`;
  for (let y = 0, k = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, k++) {
      if (cells[k]) context.fillRect(x1 + x * wide, y1 + y * high, wide, high);
    }
  }
  context.strokeStyle = "rgb(255 255 255 / 0.35)";
  context.lineWidth = 1;
  context.beginPath();
  if (wide > 3) for (let x = 0; x <= columns; x++) {
    context.moveTo(x1 + x * wide, y1); context.lineTo(x1 + x * wide, y2);
  }
  if (high > 3) for (let y = 0; y <= rows; y++) {
    context.moveTo(x1, y1 + y * high); context.lineTo(x2, y1 + y * high);
  }
  context.rect(x1, y1, x2 - x1, y2 - y1);
  context.stroke();
}

// A photo with a canvas of the masks over it.
function picture(card) {
  const label = `Picture of ${card.name}`, canvas = element("canvas", { role: "img", "aria-label": label });
  if (card.photo === null) return [canvas];
  const photo = element("img", { alt: "", decoding: "async" });
  photo.src = "data:image/webp;base64," + byId(`photo-${card.photo}`).textContent;
  return [photo, canvas];
}

function draw(parts, card, layers, scale = 1) {
  const [height, width] = card.thumb, canvas = parts[parts.length - 1];
  if (parts.length > 1) parts[0].hidden = !layers.has("image");
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  const image = new ImageData(canvas.width, canvas.height), sheet = new OffscreenCanvas(canvas.width, canvas.height);
  const veil = new Uint32Array(image.data.buffer), answer = layers.has("answer");
  const draws = (one, ...how) => {
    const mask = pixels(one.runs, card.thumb);
    const whole = scale === 1 ? mask : enlarged(mask, card.thumb, scale);
    paint(veil, whole, [canvas.height, canvas.width], ...how);
  };
  const tint = (one, number) => {
    const colour = colours[number % colours.length];
    draws(one, packed(colour, 120), packed(colour, 255), 0);
  };
  const outline = (one) => draws(one, 0, packed([255, 255, 255], 255), packed([0, 0, 0], 150));
  if (answer) card.regions.forEach(tint);
  if (layers.has("target")) card.targets.forEach(answer ? outline : tint);
  sheet.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(sheet, 0, 0);
  if (layers.has("cells")) card.regions.forEach((region, number) => {
    if (region.cells) drawCells(context, region, number, scale);
  });
  canvas.dataset.layers = [...layers].join(" ");
}

// ------------------------------------------------------------------ words

// Characters that change the direction of writing or are invisible become escapes.
const HIDDEN = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;
const PART = new RegExp(`(<[^<>\\s]{1,30}>)|(${HIDDEN.source})`, "gu");

function words(text) {
  const made = document.createDocumentFragment();
  let at = 0;
  for (const match of text.matchAll(PART)) {
    made.append(text.slice(at, match.index));
    const code = match[0].codePointAt(0).toString(16).padStart(4, "0");
    made.append(match[1] ? element("span", { class: "tag" }, match[1])
      : element("span", { class: "hidden" }, `\\u${code}`));
    at = match.index + match[0].length;
  }
  made.append(text.slice(at));
  return made;
}

// The text of a turn with its marks; a long text is cut to the part with the first problem.
function said(turn, most = Infinity) {
  const made = element("p", { class: `said ${turn.role}`, dir: "auto" });
  let pieces = turn.text, rest = most;
  const first = pieces.findIndex(([, problems]) => problems.length);
  const before = pieces.slice(0, Math.max(first, 0)).reduce((sum, [text]) => sum + text.length, 0);
  if (first > 0 && most < Infinity && before > 60) {
    pieces = [["…" + pieces[first - 1][0].slice(-50), []], ...pieces.slice(first)];
  }
  for (const [text, problems] of pieces) {
    const shown = words(text.length > rest ? text.slice(0, rest) + "…" : text);
    if (!problems.length) made.append(shown);
    else {
      const numbers = problems.map((number) => number + 1).join(" ");
      const title = problems.map((number) => turn.problems[number][1]).join("\n");
      const whole = text === "\n" ? ["↵", "\n"] : [shown, ""]; // a line's end is marked before it
      made.append(element("mark", { title }, whole[0], element("sup", {}, numbers)), whole[1]);
    }
    rest -= text.length;
    if (rest <= 0) break;
  }
  if (turn.omitted && most === Infinity) {
    made.append(element("span", { class: "hidden" }, ` … ${turn.omitted.toLocaleString("en")} more characters`));
  }
  return made;
}

// The badges of a card's problems; `full` also shows that the card is valid.
function badges(card, full = false) {
  const made = [];
  if (card.kind && (full || !["valid", "mask"].includes(card.kind))) {
    made.push(element("span", { class: `badge kind-${card.kind}` }, card.kind));
  }
  if (card.lost) made.push(element("span", { class: "badge lost" }, card.lost > 1 ? `${card.lost} lost` : "lost"));
  return made;
}

function chip(label, number) {
  const made = element("a", { class: "label", href: address({ ...state(), label }) },
    element("bdi", {}, words(label || "no label")));
  if (number !== null) made.style.setProperty("--colour", `rgb(${colours[number % colours.length].join(" ")})`);
  return made;
}

function chips(card, most) {
  const shown = card.regions.length ? card.regions : card.targets;
  const numbers = new Map();
  shown.forEach((one, number) => { if (one.label && !numbers.has(one.label)) numbers.set(one.label, number); });
  const labels = [...new Set([...numbers.keys(), ...card.labels])];
  const made = labels.slice(0, most).map((label) => chip(label, numbers.get(label) ?? null));
  if (labels.length > most) made.push(element("span", { class: "more" }, `+${labels.length - most}`));
  return element("div", { class: "labels" }, ...made);
}

const percent = (iou) => (iou === null ? null : iou.toFixed(3));

function meter(card) {
  if (card.iou === null) return null;
  const made = element("span", { class: "meter", title: "IoU" }, element("b", {}, percent(card.iou)), element("i"));
  made.style.setProperty("--share", card.iou);
  return made;
}

function count(card) {
  if (card.tokens === null) return [];
  return [element("span", { class: "count" }, `${card.tokens.toLocaleString("en")} ${unit}`)];
}

// ------------------------------------------------------------------ cards

function toggles(layers, changed) {
  return LAYERS.filter(([layer]) => has[layer]).map(([layer, word]) => {
    const made = element("button", { type: "button", "data-layer": layer, title: word,
      "aria-pressed": String(layers.has(layer)) }, word);
    made.addEventListener("click", (event) => {
      event.stopPropagation();
      if (!layers.delete(layer)) layers.add(layer);
      made.setAttribute("aria-pressed", String(layers.has(layer)));
      changed();
    });
    return made;
  });
}

const has = {
  image: cards.some((card) => card.photo !== null),
  target: cards.some((card) => card.targets.length),
  answer: cards.some((card) => card.regions.length),
  cells: cards.some((card) => card.regions.some((region) => region.cells)),
};
let layers = new Set(USUAL), shownNumbers = [];

const articles = cards.map((card, number) => {
  const made = element("article", { class: "card", "data-number": number },
    element("div", { class: "picture" }), element("div", { class: "body" }));
  made.number = number;
  return made;
});

function fill(article) {
  article.filled = true;
  filled.add(article);
  const card = cards[article.number], [frame, body] = article.children;
  const own = new Set(layers), parts = picture(card);
  draw(parts, card, own);
  frame.append(
    element("button", { type: "button", class: "open", "aria-label": `Open ${card.name}`,
      onclick: () => show(article.number) }, ...parts),
    element("div", { class: "switch" }, ...toggles(own, () => draw(parts, card, own))),
    element("div", { class: "badges" }, ...badges(card)));
  // The answer with the first problem, or the last answer, and its question.
  const place = card.turns.findIndex((turn) => turn.problems.length);
  const last = place < 0 ? card.turns.findLastIndex((turn) => turn.role === "assistant") : place;
  const asked = card.turns.slice(0, last < 0 ? undefined : last).findLast((turn) => turn.role === "user");
  body.append(
    element("div", { class: "line" }, element("bdi", { class: "name" }, words(card.name)), ...(card.iou === null ? [] : [meter(card)])),
    ...(asked ? [said(asked, 160)] : []),
    ...(last < 0 ? [] : [said(card.turns[last], 260)]),
    ...(card.remark ? [element("p", { class: "remark", dir: "auto" }, words(card.remark))] : []),
    element("div", { class: "line foot" }, chips(card, 6), ...count(card)));
}

function clear(article) {
  article.filled = false;
  filled.delete(article);
  for (const part of article.children) part.replaceChildren();
}

// Only cards near the window are filled, a few in each frame, so that scrolling does not wait. All
// cards have the same height, which gives their places; observers of thousands would cost more.
const NEAR = 900; // pixels
const filled = new Set();
let waiting = [], looking = false;

function look() {
  looking = false;
  const numbers = shownNumbers, one = articles[numbers[0]];
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const high = one ? one.offsetHeight + 16 : 1, top = grid.getBoundingClientRect().top;
  const from = Math.max(0, Math.floor((-top - NEAR) / high) * columns);
  const until = Math.max(0, Math.ceil((innerHeight - top + NEAR) / high) * columns);
  const wanted = new Set(numbers.slice(from, until).map((number) => articles[number]));
  for (const article of filled) if (!wanted.has(article)) clear(article);
  waiting = [...wanted].filter((article) => !article.filled);
  work();
}

function work() {
  const end = performance.now() + 6;
  while (waiting.length && performance.now() < end) fill(waiting.shift());
  if (waiting.length) soon();
}

function soon() {
  if (!looking) requestAnimationFrame(look);
  looking = true;
}

addEventListener("scroll", soon, { passive: true });
addEventListener("resize", soon);
if (!cards.some((card) => card.turns.length || card.remark)) grid.classList.add("bare");

function refill() {
  for (const article of [...filled]) {
    clear(article);
    fill(article);
  }
}

// ------------------------------------------------------------------ one card in full

let open = null;

function show(number) {
  open = number;
  const card = cards[number], own = new Set(layers);
  byId("detail-name").replaceChildren(element("bdi", {}, words(card.name)));
  const parts = picture(card);
  draw(parts, card, own, 2);
  const sections = card.turns.map((turn) => element("section", {},
    element("h3", {}, { user: "Question", assistant: "Answer" }[turn.role] || turn.role),
    said(turn),
    turn.problems.length ? element("ol", { class: "problems" }, ...turn.problems.map(([reason, message, action, at]) =>
      element("li", {}, element("b", {}, reason), ` at ${at}: `, words(message), element("em", {}, " → ", words(action))))) : null,
    turn.unlisted ? element("p", { class: "remark" }, `and ${turn.unlisted} more problems`) : null));
  const named = (title, ones, of) => (ones.length ? element("section", {}, element("h3", {}, title),
    ...ones.map((one, place) => element("div", { class: "line" }, chip(one.label, place),
      element("span", { class: "count" }, of(one))))) : null);
  byId("detail-body").replaceChildren(
    element("div", { class: "figure" }, ...parts,
      element("div", { class: "switch" }, ...toggles(own, () => draw(parts, card, own, 2)))),
    element("div", { class: "words" },
      element("div", { class: "line" }, ...badges(card, true), meter(card), ...count(card),
        card.source ? element("span", { class: "count" }, words(card.source)) : null),
      card.remark ? element("p", { class: "remark", dir: "auto" }, words(card.remark)) : null,
      ...sections,
      card.more ? element("p", { class: "remark" }, `and ${card.more} more turns`) : null,
      named("Regions of the answer", card.regions, ({ grid }) => (grid ? `${grid.join(" × ")} cells` : "a mask")),
      named(card.targets.length > 1 ? "Targets" : "Target", card.targets, () => ""),
      card.undrawn ? element("p", { class: "remark" }, `and ${card.undrawn} more masks, which are not drawn`) : null));
  if (!detail.open) detail.showModal();
  byId("detail-body").focus();
  remember();
}

function step(by) {
  const place = shownNumbers.indexOf(open) + by;
  if (place >= 0 && place < shownNumbers.length) show(shownNumbers[place]);
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("close").addEventListener("click", () => detail.close());
detail.addEventListener("close", () => { open = null; remember(); });
detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); });
detail.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});

// ------------------------------------------------------------------ filters and their links

const ranges = { iou: null, tokens: null }; // [from, to), or null

function state() {
  const data = new FormData(bar), found = {};
  for (const name of new Set(data.keys())) found[name] = data.getAll(name).filter(Boolean).join(",");
  for (const [name, range] of Object.entries(ranges)) if (range) found[name] = range.join("-");
  if ([...layers].sort().join() !== [...USUAL].sort().join()) found.layers = [...layers].join(",") || "none";
  return found;
}

function address(found) {
  const kept = Object.entries(found).filter(([, value]) => value !== "" && value !== null);
  return "#" + new URLSearchParams(kept);
}

function remember() {
  const found = state();
  if (open !== null) found.card = open;
  const link = address(found);
  byId("link").href = link;
  if (link !== (location.hash || "#")) history.replaceState(null, "", link);
}

function restore() {
  const found = new URLSearchParams(location.hash.slice(1));
  for (const field of bar.elements) {
    if (!field.name) continue;
    const value = found.get(field.name) || "";
    if (field.type === "checkbox") field.checked = value.split(",").includes(field.value);
    else field.value = value;
    if (field.tagName === "SELECT" && field.value !== value) {
      if (field.name === "label" && value) field.append(element("option", { value }, value)); // a rare one
      field.value = field.name === "label" ? value : "";
    }
  }
  for (const name of Object.keys(ranges)) {
    const [from, to] = (found.get(name) || "").split("-").map(Number);
    ranges[name] = from < to ? [from, to] : null;
  }
  const wanted = found.get("layers");
  layers = new Set(wanted === null ? USUAL : LAYERS.map(([layer]) => layer).filter((layer) => wanted.split(",").includes(layer)));
  byId("layers").replaceChildren(byId("layers").firstElementChild, ...toggles(layers, () => { refill(); remember(); }));
  refill();
  apply();
  const number = found.has("card") ? Number(found.get("card")) : NaN;
  if (number in cards) { if (open !== number) show(number); } else if (detail.open) detail.close();
}

const searched = [];

function haystack(number) {
  if (searched[number] === undefined) {
    const card = cards[number];
    const texts = card.turns.flatMap((turn) => turn.text.map(([text]) => text).join(""));
    searched[number] = [card.name, card.remark, ...card.labels, ...texts].join("\n").toLowerCase();
  }
  return searched[number];
}

const within = (value, range) => !range || (value !== null && value >= range[0] && value < range[1]);

// Whether a card passes all filters, or all but the range of one histogram.
function passes(number, found, but = null) {
  const card = cards[number];
  return (!found.q || haystack(number).includes(found.q.toLowerCase()))
    && (!found.label || card.labels.includes(found.label))
    && (!found.source || card.source === found.source)
    && (!found.kind || found.kind.split(",").includes(card.kind))
    && (!found.size || found.size.split(",").includes(card.size))
    && (!found.lost || card.lost > 0)
    && Object.entries(ranges).every(([name, range]) => name === but || within(card[name], range));
}

function sorted(numbers, by) {
  if (!by) return numbers;
  const name = by.replace("-", ""), sign = by.startsWith("-") ? -1 : 1;
  const rank = (number) => (cards[number][name] === null ? Infinity : sign * cards[number][name]);
  return numbers.sort((one, other) => (rank(one) === rank(other) ? one - other : rank(one) - rank(other)));
}

function apply() {
  const found = state();
  const numbers = cards.map((_, number) => number);
  shownNumbers = sorted(numbers.filter((number) => passes(number, found)), found.sort);
  grid.replaceChildren(...shownNumbers.map((number) => articles[number]));
  soon();
  byId("shown").replaceChildren(element("b", {}, shownNumbers.length.toLocaleString("en")), ` of ${cards.length.toLocaleString("en")}`);
  byId("empty").hidden = shownNumbers.length > 0;
  const active = Object.keys(found).filter((name) => found[name] && name !== "sort" && name !== "layers").length;
  byId("reset").hidden = !active;
  byId("active").textContent = active ? String(active) : "";
  for (const name of Object.keys(ranges)) bars(name, numbers.filter((number) => passes(number, found, name)));
  remember();
}

// ------------------------------------------------------------------ histograms

function bins(name) {
  const values = cards.map((card) => card[name]).filter((value) => value !== null).sort((a, b) => a - b);
  if (!values.length) return [];
  if (name === "iou") return Array.from({ length: 20 }, (_, k) => [k / 20, k === 19 ? 1.01 : (k + 1) / 20]);
  const high = values[Math.floor(0.99 * (values.length - 1))] + 1;
  const rough = high / 24, power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const width = [1, 2, 5, 10].map((part) => part * power).find((part) => part >= rough);
  const count = Math.ceil(high / width);
  const found = Array.from({ length: count }, (_, k) => [k * width, (k + 1) * width]);
  found[count - 1][1] = Math.max(found[count - 1][1], values[values.length - 1] + 1);
  return found;
}

const edges = { iou: bins("iou"), tokens: bins("tokens") };

function bars(name, numbers) {
  const own = edges[name], range = ranges[name];
  const panel = byId(`${name}-panel`);
  panel.hidden = !own.length;
  const counted = own.map(([from, to]) => numbers.filter((number) => within(cards[number][name], [from, to])).length);
  const most = Math.max(1, ...counted);
  const shown = (value) => (name === "iou" ? Math.min(1, value).toFixed(2) : value.toLocaleString("en"));
  panel.querySelector("small").textContent = range ? range.map(shown).join(" – ") : "";
  const made = own.map(([from, to], k) => {
    const on = !range || (from >= range[0] && to <= range[1]);
    const title = `${shown(from)} – ${shown(to)}: ${counted[k].toLocaleString("en")}`;
    const one = element("button", { type: "button", class: on ? "bin on" : "bin", title, "aria-label": title,
      onclick: () => {
        ranges[name] = range && range[0] === from && range[1] === to ? null : [from, to];
        apply();
      } }, element("i"));
    one.firstChild.style.height = counted[k] ? `max(2px, ${(100 * counted[k]) / most}%)` : "0";
    return one;
  });
  const axis = own.length ? element("div", { class: "axis" }, element("span", {}, shown(own[0][0])),
    element("span", {}, shown(own[own.length - 1][1]))) : null;
  byId(`${name}-bars`).replaceChildren(...[element("div", { class: "bins" }, ...made), axis].filter(Boolean));
}

// ------------------------------------------------------------------ begin

for (const field of bar.querySelectorAll("select")) {
  for (const [value, number] of Object.entries(choices[field.name] || {})) {
    if (value) field.append(element("option", { value }, `${value.slice(0, 60)} (${number.toLocaleString("en")})`));
  }
}
byId("link").addEventListener("click", (event) => {
  if (!navigator.clipboard) return; // the address bar has it
  event.preventDefault();
  navigator.clipboard.writeText(byId("link").href).then(() => {
    byId("link").textContent = "Copied";
    setTimeout(() => { byId("link").textContent = "Copy link"; }, 1500);
  }, () => {});
});
byId("filters").open = matchMedia("(min-width: 48rem)").matches;
byId("filters").addEventListener("toggle", soon);
bar.addEventListener("submit", (event) => event.preventDefault());
bar.addEventListener("input", apply);
bar.addEventListener("reset", () => {
  ranges.iou = ranges.tokens = null;
  setTimeout(apply);
});
addEventListener("hashchange", restore);
restore();
