// The hands on the map (pointer, wheel, fingers, keys), and the component's entry. Joined to
// map_chart.js, which comes first.

function listen(chart) {
  const canvas = chart.canvas;
  const place = (event) => {
    const at = canvas.getBoundingClientRect();
    return [event.clientX - at.left, event.clientY - at.top];
  };
  canvas.onwheel = (event) => {
    if (!chart.points) return;
    if (event.deltaY > 0 && chart.view.zoom <= 1) return; // the whole map is shown: the page scrolls on
    event.preventDefault();
    chart.zoom(Math.exp(-clamp(event.deltaY, -200, 200) / 300), ...place(event));
  };
  canvas.ondblclick = (event) => { if (chart.points && !chart.isBoxing) chart.zoom(2, ...place(event)); };
  canvas.onpointerdown = (event) => {
    if (!chart.points || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    chart.pointers.set(event.pointerId, at);
    chart.from = at;
    chart.point(-1);
    chart.draws = chart.pointers.size === 1 && (chart.isBoxing || event.shiftKey);
  };
  canvas.onpointermove = (event) => {
    if (!chart.points) return;
    const at = place(event), before = chart.pointers.get(event.pointerId);
    if (!before) return chart.point(chart.nearest(...at), ...at);
    chart.pointers.set(event.pointerId, at);
    const unit = chart.size.unit * chart.view.zoom;
    if (chart.pointers.size === 2) {
      const [one, other] = chart.pointers.values();
      const apart = Math.hypot(one[0] - other[0], one[1] - other[1]);
      if (chart.apart) chart.zoom(apart / chart.apart, (one[0] + other[0]) / 2, (one[1] + other[1]) / 2);
      chart.apart = apart;
    } else if (chart.draws) {
      const [left, top] = [Math.min(chart.from[0], at[0]), Math.min(chart.from[1], at[1])];
      chart.box = [chart.mx(left), chart.my(top), Math.abs(at[0] - chart.from[0]) / unit, Math.abs(at[1] - chart.from[1]) / unit]
        .map((one) => Number(one.toFixed(4)));
      chart.draw();
    } else {
      chart.move((before[0] - at[0]) / unit, (before[1] - at[1]) / unit);
    }
  };
  const ended = (event) => {
    const at = chart.pointers.get(event.pointerId);
    if (!at) return;
    chart.pointers.delete(event.pointerId);
    chart.apart = 0;
    const moved = Math.hypot(at[0] - chart.from[0], at[1] - chart.from[1]);
    if (chart.draws) {
      chart.draws = false;
      chart.setBoxing(false);
      if (chart.box && moved > 5) chart.send("area", { area: chart.box });
      else chart.leaveBox();
    } else if (moved < 4 && event.type === "pointerup") {
      const i = chart.nearest(...at);
      if (i >= 0) chart.send("open", { id: chart.points.ids[i] });
    }
  };
  canvas.onpointerup = ended;
  canvas.onpointercancel = ended;
  canvas.onpointerleave = () => chart.point(-1);
  canvas.onkeydown = (event) => {
    if (!chart.points || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.15 / chart.view.zoom;
    const acts = {
      ArrowLeft: () => chart.move(-step, 0), ArrowRight: () => chart.move(step, 0),
      ArrowUp: () => chart.move(0, -step), ArrowDown: () => chart.move(0, step),
      "+": () => chart.zoom(1.5), "=": () => chart.zoom(1.5), "-": () => chart.zoom(1 / 1.5),
      0: () => chart.reset(), Escape: () => chart.leaveBox(),
      Enter: () => chart.send("area", { area: chart.shownArea() }),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  };
}

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".map");
  if (!root) {
    root = make("div", "map");
    parentElement.append(root);
    root.chart = new Chart(root);
  }
  const chart = root.chart;
  chart.data = data;
  const say = gestures(chart, data.answered, setTriggerValue);
  chart.send = (act, more) => say({ act, ...more });
  chart.box = null; // what was drawn has been heard, and is in the data
  chart.load(data.address);
  chart.draw();
}
