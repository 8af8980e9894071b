// The viewer: one figure, or two beside each other, with tools above and keys for all of them.

const LEAST_BOX = 8; // pixels, as in search/regions.py

// Windows for CT in Hounsfield units: centre, width (Radiopaedia, "Windowing (CT)").
const PRESETS = [
  ["Lung", -600, 1500], ["Mediastinum", 50, 350], ["Soft tissue", 50, 400],
  ["Liver", 30, 150], ["Brain", 40, 80], ["Bone", 400, 1800],
];

const ICONS = {
  out: "M5 12h14", in: "M5 12h14M12 5v14", fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  window: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18", invert: "M4 4h16v16H4zM4 20 20 4",
  box: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 9h6v6H9z", previous: "M15 5l-7 7 7 7", next: "M9 5l7 7-7 7",
  link: "M9 15l6-6M10 6l2-2a4 4 0 0 1 6 6l-2 2M14 18l-2 2a4 4 0 0 1-6-6l2-2",
};

function make(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

function tool(name, label, act, key) {
  const button = make("button", `tool ${name}`);
  button.type = "button";
  button.title = key ? `${label} (${key})` : label;
  button.setAttribute("aria-label", label);
  if (key) button.setAttribute("aria-keyshortcuts", key);
  button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
  button.onclick = act;
  return button;
}

class Viewer {
  constructor(parent) {
    this.root = make("section", "viewer");
    this.root.setAttribute("aria-label", "Figure viewer");
    this.bar = make("div", "bar");
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", "Figure");
    this.panes = make("div", "panes");
    this.main = new Pane((what) => this.changed(what, this.main));
    this.other = new Pane((what) => this.changed(what, this.other));
    this.linked = true;
    this.tools();
    this.windows();
    this.notice = make("div", "notice");
    this.panes.append(this.main.root, this.before, this.after);
    this.root.append(this.bar, this.setting, this.panes, this.notice);
    parent.append(this.root);
    this.main.attach();
    this.keys = (event) => this.pressed(event);
    window.addEventListener("keydown", this.keys, true);
  }

  close() {
    window.removeEventListener("keydown", this.keys, true);
    this.main.detach();
    this.other.detach();
    this.root.remove();
  }

  tools() {
    this.before = tool("previous", "Previous figure", () => this.step(-1), "ArrowLeft");
    this.after = tool("next", "Next figure", () => this.step(1), "ArrowRight");
    this.at = make("span", "at");
    this.contrast = tool("window", "Window and level: drag, or drag with the right button", () => this.setMode("window"), "w");
    this.boxing = tool("box", "Draw a box to search by", () => this.setMode("box"), "b");
    this.link = tool("link", "Zoom and move both together", () => this.setLinked(!this.linked));
    this.search = make("button", "text", "Search this region");
    this.search.type = "button";
    this.search.onclick = () => this.send({ act: "region", box: this.main.box });
    this.whole = make("button", "text", "Whole image");
    this.whole.type = "button";
    this.whole.onclick = () => this.noBox();
    this.told = make("span", "told");
    this.bar.append(
      tool("out", "Zoom out", () => this.both((pane) => pane.zoom(false)), "-"),
      tool("in", "Zoom in", () => this.both((pane) => pane.zoom(true)), "+"),
      tool("fit", "Fit to the pane", () => this.both((pane) => pane.fitted()), "0"),
      this.contrast,
      tool("invert", "Invert", () => this.invert(), "i"),
      this.boxing, this.link, this.search, this.whole, this.told, this.at,
    );
  }

  // Sliders and presets, under the bar while the window is being set.
  windows() {
    this.setting = make("div", "setting");
    const slider = (name) => {
      const label = make("label", "", name);
      const input = make("input");
      input.type = "range";
      input.oninput = () => this.main.setWindow(Number(this.level.value), Number(this.width.value));
      label.append(input);
      this.setting.append(label);
      return input;
    };
    this.level = slider("Level");
    this.width = slider("Width");
    const auto = make("button", "text", "Auto");
    auto.type = "button";
    auto.title = "As the file says, or as its values lie (a)";
    auto.onclick = () => this.main.resetWindow();
    this.presets = make("span", "presets");
    PRESETS.forEach(([name, centre, width], at) => {
      const button = make("button", "text", name);
      button.type = "button";
      button.title = `Level ${centre}, width ${width} HU (${at + 1})`;
      button.onclick = () => this.main.setWindow(centre, width);
      this.presets.append(button);
    });
    this.setting.append(auto, this.presets);
  }

  update(data, send) {
    this.send = send;
    // The hand was quicker than Python: this answer is of a figure, or a page, passed since.
    if (this.turning ? data.page[0] === this.data.page[0] : data.figure.id !== (this.wanted ?? data.figure.id)) return;
    this.turning = false;
    this.wanted = undefined;
    this.data = data;
    this.notice.textContent = data.notice;
    const beside = Boolean(data.beside);
    if (beside && !this.other.root.isConnected) {
      this.panes.append(this.other.root);
      this.other.attach();
    } else if (!beside && this.other.root.isConnected) {
      this.other.detach();
      this.other.root.remove();
    }
    this.panes.classList.toggle("two", beside);
    this.main.show(data.figure);
    if (beside) this.other.show(data.beside);
    this.link.hidden = !beside;
    this.boxing.hidden = !data.regions;
    this.setMode(data.mode ?? this.main.mode, true);
    this.place(data.figure.id);
    this.setLinked(this.linked);
  }

  place(id) {
    const around = this.data.around ?? [];
    const at = around.findIndex((one) => one.id === id);
    const [page, pages] = this.data.page;
    const alone = at < 0 || (around.length < 2 && pages < 2);
    this.before.hidden = this.after.hidden = alone;
    this.before.disabled = at <= 0 && page <= 1;
    this.after.disabled = at >= around.length - 1 && page >= pages;
    const told = `${at + 1} of ${around.length}${pages > 1 ? `, page ${page} of ${pages}` : ""}`;
    this.at.textContent = alone ? "" : told;
    for (const near of [around[at + 1], around[at - 1]]) {
      if (at >= 0 && near?.address) new Image().src = near.address;
    }
  }

  step(by) {
    const around = this.data.around ?? [];
    const at = around.findIndex((one) => one.id === (this.wanted ?? this.data.figure.id));
    const next = around[at + by];
    if (at < 0 || this.turning) return;
    if (!next) return this.turn(by);
    this.wanted = next.id;
    this.main.show({ samples: null, ...next });
    this.place(next.id);
    this.send({ act: "open", id: next.id });
  }

  // Beyond the last figure lies the next page's first, before the first one the last of the page before.
  turn(by) {
    const [page, pages] = this.data.page;
    if (page + by < 1 || page + by > pages) return;
    this.turning = true;
    this.send({ act: "turn", by });
  }

  both(act) {
    act(this.main);
    if (this.data.beside) act(this.other);
  }

  invert() {
    if (this.main.ready()) this.main.setWindow(...this.main.window, !this.main.inverted);
  }

  setMode(mode, stay = false) {
    const next = !stay && this.main.mode === mode ? "pan" : mode;
    this.main.mode = next;
    this.other.mode = next === "window" ? next : "pan";
    this.root.dataset.mode = next;
    this.contrast.setAttribute("aria-pressed", String(next === "window"));
    this.boxing.setAttribute("aria-pressed", String(next === "box"));
    if (next === "window") this.main.ready();
    this.changed("window", this.main);
    this.changed("box", this.main);
  }

  setLinked(linked) {
    this.linked = linked;
    this.link.setAttribute("aria-pressed", String(linked));
  }

  noBox() {
    const had = Boolean(this.data.figure.box);
    this.main.setBox(null);
    if (had) this.send({ act: "region", box: null });
  }

  changed(what, pane) {
    if (!this.data) return;
    if (what === "view" && this.linked && this.data.beside) {
      const [from, to] = pane === this.main ? [this.main, this.other] : [this.other, this.main];
      const { x, y } = from.panzoom.getPan();
      const scale = from.panzoom.getScale();
      const there = to.panzoom.getPan();
      const moved = Math.abs(x - there.x) + Math.abs(y - there.y) > 0.01;
      if (Math.abs(scale - to.panzoom.getScale()) > 1e-4 || moved) {
        to.panzoom.zoom(scale, { animate: false, silent: true });
        to.panzoom.pan(x, y, { animate: false, silent: true });
        to.stage.style.setProperty("--zoom", scale);
      }
    }
    if (pane === this.main) this.tell();
  }

  // What is shown of the main pane's state.
  tell() {
    const { samples, box, mode } = this.main;
    const set = this.main.window;
    this.setting.hidden = mode !== "window" || !samples;
    this.presets.hidden = !this.main.presets;
    this.search.hidden = !box || !this.main.large();
    this.whole.hidden = !box;
    const parts = [];
    if (set) {
      const [low, high] = this.main.range;
      const whole = this.main.deep || samples.colours;
      const number = (value) => (whole && high - low > 20 ? String(Math.round(value)) : value.toPrecision(3));
      parts.push(`L ${number(set[0])} W ${number(set[1])}`);
      const span = Math.max(high - low, set[1]);
      Object.assign(this.level, { min: Math.min(low, set[0]), max: Math.max(high, set[0]), step: span / 500 });
      Object.assign(this.width, { min: span / 500, max: span, step: span / 500 });
      [this.level.value, this.width.value] = set;
      if (this.main.under !== undefined) {
        parts.push(`${number(this.main.under)}${samples.unit ? ` ${samples.unit}` : ""}`);
      }
    }
    if (this.main.panzoom) parts.unshift(`${Math.round(this.main.panzoom.getScale() * 100)} %`);
    this.told.textContent = parts.join(" · ");
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data) return;
    const target = event.composedPath()[0];
    if (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName ?? "")) return;
    const act = this.action(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has letters of its own
    act();
  }

  action(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    const boxes = this.main.mode === "box";
    if (arrow && boxes) return () => this.main.nudge(arrow[0] * 0.02, arrow[1] * 0.02, event.shiftKey);
    if (arrow && event.shiftKey) {
      const [x, y] = arrow.map((way) => (-40 * way) / this.main.panzoom.getScale());
      return () => this.both((pane) => pane.panzoom.pan(x, y, { relative: true }));
    }
    // Where the dialog is there for the box, Escape closes it.
    if (boxes && event.key === "Escape" && this.data.mode !== "box") return () => this.setMode("pan", true);
    if (boxes && event.key === "Enter" && !this.search.hidden && event.composedPath()[0].tagName !== "BUTTON") {
      return () => this.search.click();
    }
    const preset = PRESETS[Number(event.key) - 1];
    if (preset && this.main.presets) return () => this.main.setWindow(preset[1], preset[2]);
    return {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      "+": () => this.both((pane) => pane.zoom(true)),
      "=": () => this.both((pane) => pane.zoom(true)),
      "-": () => this.both((pane) => pane.zoom(false)),
      0: () => this.both((pane) => pane.fitted()),
      w: () => this.setMode("window"),
      i: () => this.invert(),
      a: () => this.main.resetWindow(),
      b: this.data.regions && (() => this.startBox()),
      ...Object.fromEntries((this.data.letters ?? []).map((one) => [one, () => this.send({ act: one })])),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  }

  // By the keyboard a box is there at once, to be moved and sized by the arrow keys.
  startBox() {
    this.setMode("box");
    if (this.main.mode === "box" && !this.main.box && this.main.image.naturalWidth) this.main.nudge(0, 0);
  }
}

const viewers = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let viewer = viewers.get(parentElement);
  if (!viewer) viewers.set(parentElement, (viewer = new Viewer(parentElement)));
  viewer.update(data, gestures(viewer, data.answered, setTriggerValue));
  // Streamlit also calls this where one drawing overtook another: only what left the page is closed.
  return () => setTimeout(() => {
    if (parentElement.isConnected || !viewers.has(parentElement)) return;
    viewers.delete(parentElement);
    viewer.close();
    setTimeout(() => focusCard(viewer.data, document.activeElement), FOCUS_MS);
  });
}

// When the viewer goes, the focus returns to the card of the figure seen last.
const FOCUS_MS = 150; // the dialog first gives it to the page

function focusCard({ home, figure }, held, tries = 20) {
  if (!home || document.querySelector("[role=dialog]") || document.activeElement !== held) return;
  for (const part of document.querySelectorAll(`.st-key-${home} *`)) {
    const card = part.shadowRoot?.querySelector(`[data-id="${CSS.escape(figure.id)}"] .figure`);
    if (card) {
      card.focus({ preventScroll: true });
      card.scrollIntoView({ block: "nearest" });
      return;
    }
  }
  // The page of answers that was turned to meanwhile is yet to be drawn.
  if (tries) setTimeout(() => focusCard({ home, figure }, held, tries - 1), FOCUS_MS);
}
