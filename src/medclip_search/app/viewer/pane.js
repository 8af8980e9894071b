// One figure in a black pane: zoomed and moved by Panzoom, windowed, with a box drawn on it.

const MOST_ZOOM = 16;
const DRAG = 300; // pixels of a drag that double a window or move it by its width

class Pane {
  // ``tell``: called with no arguments whenever something changed that is shown around the pane.
  constructor(tell) {
    this.tell = tell;
    this.mode = "pan";
    this.root = make("div", "pane");
    this.stage = make("div", "stage");
    this.frame = make("div", "frame");
    this.image = make("img");
    this.canvas = make("canvas");
    this.canvas.setAttribute("aria-hidden", "true"); // the picture's own text is the image's
    this.canvas.hidden = true;
    this.outline = make("div", "region");
    this.outline.hidden = true;
    this.message = make("p", "message");
    this.name = make("span", "name");
    this.frame.append(this.image, this.canvas, this.outline);
    this.stage.append(this.frame);
    this.root.append(this.stage, this.message, this.name);
    this.image.onload = () => this.loaded();
    this.image.onerror = () => { this.message.textContent = "The picture cannot be shown"; };
    this.listen();
  }

  // Called once the pane is in the page, which Panzoom requires.
  attach() {
    this.panzoom = Panzoom(this.stage, {
      noBind: true, contain: "outside", minScale: 1, maxScale: MOST_ZOOM, step: 0.35, pinchAndPan: true,
      cursor: "inherit", handleStartEvent: () => {},
    });
    this.stage.addEventListener("panzoomchange", ({ detail }) => {
      this.stage.style.setProperty("--zoom", detail.scale);
      this.tell("view");
    });
    this.sizes = new ResizeObserver(() => this.fit());
    this.sizes.observe(this.root);
  }

  detach() {
    this.sizes?.disconnect();
    this.loading?.abort();
  }

  show(figure) {
    if (this.figure?.address !== figure.address) {
      this.loading?.abort();
      this.samples = this.window = this.range = undefined;
      this.canvas.hidden = true;
      this.image.hidden = !figure.address;
      this.setBox(null);
      this.message.textContent = figure.address ? "" : "This case has no picture";
      if (figure.address) this.image.src = figure.address;
      else this.image.removeAttribute("src");
      this.fitted();
    }
    const deeper = figure.samples && this.figure?.samples !== figure.samples;
    this.figure = figure;
    this.image.alt = figure.alt;
    this.name.textContent = figure.name ?? "";
    if (figure.box !== undefined) this.setBox(figure.box);
    if (deeper && this.image.complete && this.image.naturalWidth) this.deepen();
  }

  loaded() {
    this.fit();
    if (this.figure.samples) this.deepen();
    this.tell("loaded");
  }

  // The picture's frame fills the pane as far as its shape allows.
  fit() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    if (!width || !this.root.clientWidth) return;
    const most = this.figure.small ? 1 : Infinity; // a thumbnail stays at its own size
    const scale = Math.min(this.root.clientWidth / width, this.root.clientHeight / height, most);
    this.frame.style.width = `${width * scale}px`;
    this.frame.style.height = `${height * scale}px`;
  }

  // Not animated: Panzoom keeps within bounds by what it measures, which moves meanwhile.
  zoom(closer) {
    this.panzoom[closer ? "zoomIn" : "zoomOut"]({ animate: false });
  }

  fitted() {
    this.panzoom?.reset({ animate: false });
  }

  async deepen() {
    this.loading = new AbortController();
    const { signal } = this.loading;
    try {
      const samples = await fetchSamples(this.figure.samples, this.figure.facts, signal);
      if (signal.aborted) return;
      // A window that was set on the picture of 8 bits means nothing to the samples.
      this.adopt(samples);
      this.canvas.hidden = true;
    } catch (error) {
      if (error.name !== "AbortError") this.figure = { ...this.figure, samples: null };
    }
    this.tell("window");
  }

  adopt(samples) {
    this.samples = samples;
    this.range = range(samples);
    this.window = [...samples.window];
    this.inverted = samples.inverted;
  }

  get deep() { return Boolean(this.samples?.values); }
  get presets() { return this.samples?.unit === "HU"; }

  // Whether a window can be set now: at once for 8 bits, for a deep picture when its samples are here.
  ready() {
    if (!this.samples && !this.figure?.samples && this.image.naturalWidth) this.adopt(imageSamples(this.image));
    return Boolean(this.samples);
  }

  setWindow(centre, width, inverted = this.inverted) {
    if (!this.ready()) return;
    this.window = [centre, Math.max(width, this.deep && this.samples.values instanceof Float32Array ? 1e-6 : 1)];
    this.inverted = inverted;
    cancelAnimationFrame(this.shading);
    this.shading = requestAnimationFrame(() => {
      shade(this.samples, this.window, this.inverted, this.canvas);
      this.canvas.hidden = false;
      this.tell("window");
    });
  }

  resetWindow() {
    if (!this.samples) return;
    this.window = [...this.samples.window];
    this.inverted = this.samples.inverted;
    cancelAnimationFrame(this.shading);
    this.canvas.hidden = true;
    this.tell("window");
  }

  setBox(box) {
    this.box = box ?? null;
    this.outline.hidden = !box;
    if (box) {
      const names = ["left", "top", "width", "height"];
      names.forEach((name, at) => { this.outline.style[name] = `${box[at] * 100}%`; });
    }
    this.tell("box");
  }

  // A point of the page in fractions of the picture, kept within it.
  place(event) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    const within = (value) => Math.min(1, Math.max(0, value));
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  }

  value(event) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    const x = Math.floor(((event.clientX - left) / width) * (this.samples?.width ?? 0));
    const y = Math.floor(((event.clientY - top) / height) * (this.samples?.height ?? 0));
    if (!this.deep || x < 0 || y < 0 || x >= this.samples.width || y >= this.samples.height) return undefined;
    return this.samples.values[y * this.samples.width + x];
  }

  listen() {
    const pane = this.root;
    pane.addEventListener("contextmenu", (event) => event.preventDefault());
    pane.addEventListener("wheel", (event) => {
      if (event.deltaY > 0 && this.panzoom.getScale() <= 1) return; // all is shown: the page scrolls on
      this.panzoom.zoomWithWheel(event);
    }, { passive: false });
    pane.addEventListener("dblclick", (event) => {
      if (this.mode === "box") return;
      if (this.panzoom.getScale() > 1.01) this.fitted();
      else this.panzoom.zoomToPoint(2.5, event);
    });
    pane.addEventListener("pointerdown", (event) => this.down(event));
    pane.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) pane.addEventListener(name, (event) => this.up(event));
    pane.addEventListener("pointerleave", () => { this.under = undefined; this.tell("value"); });
  }

  down(event) {
    if (event.button > 0 && event.button !== 2) return;
    this.root.setPointerCapture(event.pointerId);
    const [x, y] = [event.clientX, event.clientY];
    if (event.button === 2 || this.mode === "window") {
      if (this.ready()) this.drag = { kind: "window", x, y, from: [...this.window] };
    } else if (this.mode === "box" && this.image.naturalWidth) {
      this.drag = { kind: "box", from: this.place(event) };
    } else {
      this.panzoom.handleDown(event);
    }
  }

  move(event) {
    this.under = this.value(event);
    this.tell("value");
    const drag = this.drag;
    if (drag?.kind === "window") {
      const [centre, width] = drag.from;
      const step = Math.max(width, (this.range[1] - this.range[0]) / 50) / DRAG;
      this.setWindow(centre + (event.clientY - drag.y) * step, width + (event.clientX - drag.x) * step);
    } else if (drag?.kind === "box") {
      const [a, b] = [drag.from, this.place(event)];
      const [x, y] = [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
      this.setBox([x, y, Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])]);
    } else {
      this.panzoom.handleMove(event);
    }
  }

  up(event) {
    if (this.drag?.kind === "box" && this.box && !this.large()) this.setBox(null);
    this.drag = undefined;
    this.panzoom.handleUp(event);
  }

  // Whether the box shows anything: a click draws none.
  large() {
    const { naturalWidth, naturalHeight } = this.image;
    return this.box[2] * naturalWidth >= LEAST_BOX && this.box[3] * naturalHeight >= LEAST_BOX;
  }

  // Move the box by a share of the picture, or change its size.
  nudge(dx, dy, resize) {
    let [x, y, width, height] = this.box ?? [0.25, 0.25, 0.5, 0.5];
    if (resize) {
      width = Math.min(1 - x, Math.max(0.04, width + dx));
      height = Math.min(1 - y, Math.max(0.04, height + dy));
    } else {
      x = Math.min(1 - width, Math.max(0, x + dx));
      y = Math.min(1 - height, Math.max(0, y + dy));
    }
    this.setBox([x, y, width, height]);
  }
}
