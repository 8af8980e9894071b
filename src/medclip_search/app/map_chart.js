// The map: every figure a dot near what it is like. Drawn on a canvas from one answer of the API,
// kept while the page lives; Python hears of an area that was chosen or a figure that was opened.

const COLOURS = ["#2f8fd0", "#e08a00", "#00a078", "#d06aa8", "#8f7ee0", "#d0502c", "#a39a00", "#4db6c8"];
const OTHERS = "#8a949e";
const NEAR = 10; // pixels from the pointer within which a dot is meant
const PICTURES = 60; // so few figures in view are drawn as pictures
const MOST_ZOOM = 200;
const MARGIN = 0.04;

function make(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

function button(text, title, act) {
  const made = make("button", "", text);
  made.type = "button";
  if (title) made.title = title;
  made.onclick = act;
  return made;
}

const thumbnail = (id) => `api/v1/thumbnails/${encodeURIComponent(id)}`;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

class Chart {
  constructor(root) {
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    this.pictures = new Map(); // id to an image, the last used last
    this.cases = new Map(); // id to what is said of it
    this.pointers = new Map();
    this.only = -1; // the value of the legend that alone is bright
    this.build(root);
  }

  build(root) {
    this.canvas = make("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.says = make("div", "says", "The map is being read …");
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    const stage = make("div", "stage");
    stage.append(this.canvas, this.says, this.tip);
    this.by = make("select");
    this.by.onchange = () => { this.only = -1; this.colour(); };
    const label = make("label", "", "Colours");
    label.append(this.by);
    this.boxing = button("Draw a box", "Then drag over the map; or hold Shift while dragging", () => this.setBoxing(!this.isBoxing));
    this.boxing.setAttribute("aria-pressed", "false");
    this.choose = button("Show the figures in view", "", () => this.send("area", { area: this.shownArea() }));
    const smaller = button("−", "Zoom out", () => this.zoom(1 / 1.5));
    const larger = button("+", "Zoom in", () => this.zoom(1.5));
    smaller.setAttribute("aria-label", "Zoom out");
    larger.setAttribute("aria-label", "Zoom in");
    const tools = make("div", "tools");
    tools.append(label, make("span", "grow"), smaller, larger,
      button("Whole map", "", () => this.reset()), this.choose, this.boxing);
    this.legend = make("div", "legend");
    this.legend.setAttribute("role", "group");
    this.legend.setAttribute("aria-label", "Legend: press one to see it alone");
    root.append(tools, this.legend, stage);
    listen(this);
    new ResizeObserver(() => this.draw()).observe(stage);
  }

  // --- what is shown ---

  async load(address) {
    if (this.address === address) return;
    this.address = address;
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error((await answer.json()).error);
      this.points = await answer.json();
    } catch (error) {
      this.says.textContent = `The map cannot be shown: ${error.message || "the server does not answer"}`;
      return;
    }
    this.says.textContent = "";
    this.at = new Map(this.points.ids.map((id, i) => [id, i]));
    const telling = Object.entries(this.points.fields).filter(([, field]) => field.values.length);
    this.by.replaceChildren(...telling.map(([name]) => new Option(this.data.labels[name] ?? name, name)));
    const best = telling.find(([, field]) => field.values.length > 1);
    if (best) this.by.value = best[0];
    this.by.parentElement.hidden = !telling.length;
    this.colour();
  }

  colour() {
    const field = this.points.fields[this.by.value];
    const of = field ? field.of : this.points.ids.map(() => -1);
    const shown = field ? Math.min(field.values.length, COLOURS.length) : 0;
    this.groups = Array.from({ length: shown + 1 }, () => []);
    of.forEach((value, i) => this.groups[value >= 0 && value < shown ? value : shown].push(i));
    const names = [...(field ? field.values.slice(0, shown) : []), field ? "others, or not known" : "figures"];
    this.legend.replaceChildren(...this.groups.map((group, i) => {
      const item = button("", "", () => { this.only = this.only === i ? -1 : i; this.press(); this.draw(); });
      const dot = make("i");
      dot.style.background = COLOURS[i < shown ? i : -1] ?? OTHERS;
      item.append(dot, make("span", "", names[i]), make("span", "count", group.length.toLocaleString("en")));
      item.hidden = !group.length;
      return item;
    }));
    this.press();
    this.draw();
  }

  press() {
    [...this.legend.children].forEach((item, i) => item.setAttribute("aria-pressed", String(i === this.only)));
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.drawNow(); });
  }

  drawNow() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (!width || !this.points) return;
    const scale = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * scale)) this.canvas.width = Math.round(width * scale);
    if (this.canvas.height !== Math.round(height * scale)) this.canvas.height = Math.round(height * scale);
    this.size = { width, height, unit: Math.min(width, height) * (1 - 2 * MARGIN) };
    const style = getComputedStyle(this.canvas);
    this.ink = style.getPropertyValue("--st-text-color").trim() || "#17212b";
    this.accent = style.getPropertyValue("--st-primary-color").trim() || "#0b6780";
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const { x, y } = this.points;
    const radius = clamp(1.6 + Math.log2(this.view.zoom), 1.6, 5) * (x.length < 500 ? 2 : 1);
    const inView = [];
    this.groups.forEach((group, g) => {
      pen.fillStyle = COLOURS[g < this.groups.length - 1 ? g : -1] ?? OTHERS;
      pen.globalAlpha = this.only < 0 || this.only === g ? 0.85 : 0.08;
      pen.beginPath();
      for (const i of group) {
        const px = this.px(x[i]), py = this.py(y[i]);
        if (px < -5 || py < -5 || px > width + 5 || py > height + 5) continue;
        inView.push(i);
        pen.moveTo(px + radius, py);
        pen.arc(px, py, radius, 0, 7);
      }
      pen.fill();
    });
    pen.globalAlpha = 1;
    this.inView = inView;
    if (inView.length <= PICTURES && this.view.zoom > 1) this.drawPictures(pen, inView);
    this.drawHits(pen);
    this.drawArea(pen);
    this.canvas.dataset.points = x.length;
    this.canvas.dataset.inView = inView.length;
    this.canvas.dataset.answers = this.data.hits.length;
    this.canvas.dataset.asked = this.data.asked.length;
    this.canvas.dataset.zoom = this.view.zoom.toFixed(2);
    this.canvas.setAttribute("aria-label", `${this.data.label}. ${inView.length.toLocaleString("en")} of ` +
      `${x.length.toLocaleString("en")} dots are in view. Arrow keys move, plus and minus zoom, 0 shows the whole map, ` +
      "Enter shows the figures in view below.");
  }

  drawPictures(pen, some) {
    const side = clamp(Math.sqrt((this.size.width * this.size.height) / (some.length + 1)) * 0.45, 34, 96);
    for (const i of some) {
      const image = this.picture(this.points.ids[i]);
      if (!image.complete || !image.naturalWidth) continue;
      const ratio = side / Math.max(image.naturalWidth, image.naturalHeight);
      const w = image.naturalWidth * ratio, h = image.naturalHeight * ratio;
      pen.drawImage(image, this.px(this.points.x[i]) - w / 2, this.py(this.points.y[i]) - h / 2, w, h);
    }
  }

  picture(id) {
    let image = this.pictures.get(id);
    if (!image) {
      image = new Image();
      image.onload = () => this.draw();
      image.src = thumbnail(id);
    }
    this.pictures.delete(id);
    this.pictures.set(id, image);
    if (this.pictures.size > 3 * PICTURES) this.pictures.delete(this.pictures.keys().next().value);
    return image;
  }

  drawHits(pen) {
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = "600 11px sans-serif";
    for (const hit of [...this.data.hits].reverse()) {
      const px = this.px(hit.x), py = this.py(hit.y);
      pen.beginPath();
      pen.arc(px, py, 9, 0, 7);
      pen.fillStyle = "#000";
      pen.fill();
      pen.lineWidth = 1.5;
      pen.strokeStyle = "#fff";
      pen.stroke();
      pen.fillStyle = "#fff";
      pen.fillText(String(hit.rank), px, py + 0.5);
    }
    for (const one of this.data.asked) {
      const px = this.px(one.x), py = this.py(one.y);
      for (const [colour, wide] of [["#000", 6], ["#ffd23f", 3]]) {
        pen.beginPath();
        pen.arc(px, py, 14, 0, 7);
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          pen.moveTo(px + 9 * dx, py + 9 * dy);
          pen.lineTo(px + 21 * dx, py + 21 * dy);
        }
        pen.lineWidth = wide;
        pen.strokeStyle = colour;
        pen.stroke();
      }
    }
  }

  drawArea(pen) {
    const area = this.box ?? this.data.area;
    if (!area) return;
    const [left, top] = [this.px(area[0]), this.py(area[1])];
    const [w, h] = [area[2] * this.size.unit * this.view.zoom, area[3] * this.size.unit * this.view.zoom];
    pen.fillStyle = this.accent;
    pen.globalAlpha = 0.12;
    pen.fillRect(left, top, w, h);
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    pen.strokeStyle = this.accent;
    pen.strokeRect(left, top, w, h);
  }

  // --- from the map to the screen and back ---

  px(x) { return this.size.width / 2 + (x - this.view.x) * this.size.unit * this.view.zoom; }
  py(y) { return this.size.height / 2 + (y - this.view.y) * this.size.unit * this.view.zoom; }
  mx(px) { return this.view.x + (px - this.size.width / 2) / (this.size.unit * this.view.zoom); }
  my(py) { return this.view.y + (py - this.size.height / 2) / (this.size.unit * this.view.zoom); }

  shownArea() {
    const [x, y] = [Math.max(0, this.mx(0)), Math.max(0, this.my(0))];
    return [x, y, Math.min(1, this.mx(this.size.width)) - x, Math.min(1, this.my(this.size.height)) - y]
      .map((one) => Number(Math.max(0, one).toFixed(4)));
  }

  reset() { this.view = { x: 0.5, y: 0.5, zoom: 1 }; this.draw(); }

  leaveBox() {
    this.box = null;
    if (this.data.area) this.send("area", { area: null });
    this.draw();
  }

  zoom(factor, px = this.size.width / 2, py = this.size.height / 2) {
    const [x, y] = [this.mx(px), this.my(py)];
    this.view.zoom = clamp(this.view.zoom * factor, 1, MOST_ZOOM);
    this.move(x - this.mx(px), y - this.my(py));
  }

  move(dx, dy) {
    this.view.x = clamp(this.view.x + dx, 0, 1);
    this.view.y = clamp(this.view.y + dy, 0, 1);
    this.point(-1);
    this.draw();
  }

  nearest(px, py) {
    let found = -1, least = NEAR * NEAR;
    for (const hit of this.data.hits) { // answers lie on top
      const d = (this.px(hit.x) - px) ** 2 + (this.py(hit.y) - py) ** 2;
      if (d < least && this.at.has(hit.id)) [found, least] = [this.at.get(hit.id), d];
    }
    if (found >= 0) return found;
    const reach = this.inView.length <= PICTURES && this.view.zoom > 1 ? 9 : 1;
    least *= reach;
    for (const i of this.inView ?? []) {
      const d = (this.px(this.points.x[i]) - px) ** 2 + (this.py(this.points.y[i]) - py) ** 2;
      if (d < least) [found, least] = [i, d];
    }
    return found;
  }

  point(i, px = 0, py = 0) {
    if (this.pointed === i) return;
    this.pointed = i;
    this.canvas.classList.toggle("pointing", i >= 0);
    this.tip.hidden = i < 0;
    if (i < 0) return;
    const id = this.points.ids[i];
    const image = make("img");
    image.alt = "";
    image.src = thumbnail(id);
    const text = make("p", "", this.cases.get(id) ?? "…");
    this.tip.replaceChildren(image, text);
    this.tip.style.left = `${px + 230 < this.size.width ? px + 16 : px - 224}px`;
    this.tip.style.top = `${clamp(py - 60, 4, Math.max(4, this.size.height - 270))}px`;
    if (this.cases.has(id)) return;
    clearTimeout(this.asking); // a pointer that only passes asks for nothing
    this.asking = setTimeout(async () => {
      const answer = await fetch(`api/v1/cases/${encodeURIComponent(id)}`).catch(() => null);
      const found = answer?.ok ? await answer.json() : {};
      const facts = [found.modality, found.region, found.year].filter(Boolean).join(" · ");
      this.cases.set(id, [facts, found.caption || "No caption"].filter(Boolean).join(" — "));
      text.textContent = this.cases.get(id);
    }, 80);
  }

  setBoxing(on) {
    this.isBoxing = on;
    this.boxing.setAttribute("aria-pressed", String(on));
    this.canvas.classList.toggle("boxing", on);
  }
}
