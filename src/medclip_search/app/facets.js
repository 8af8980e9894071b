// Facets: for each field its values with their counts, and a histogram of years to choose from.
// All text is set as text. A choice is sent back as {field, value}; Python sends new data.

const FIRST = 6; // so many values of a field are shown before "more" is asked for

function make(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

const written = (count) => count.toLocaleString("en");

// Elements are kept by name, so that the keyboard's focus stays where it is.
function keep(parent, name, tag, style) {
  let found = [...parent.children].find((one) => one.dataset.name === name);
  if (!found) {
    found = make(tag, style);
    found.dataset.name = name;
  }
  return found;
}

// The children of an element; left alone where they are these already, with the focus in them.
function lay(parent, children) {
  const same = children.length === parent.children.length && children.every((one, at) => one === parent.children[at]);
  if (!same) parent.replaceChildren(...children);
}

function drawField(root, field, send) {
  const group = keep(root, field.name, "fieldset", "field");
  if (!group.parts) {
    const rows = make("div", "rows");
    const more = make("button", "more");
    more.type = "button";
    more.onclick = () => { group.whole = !group.whole; drawField(root, group.field, send); };
    group.append(make("legend"), rows, more);
    group.parts = { legend: group.firstChild, rows, more };
  }
  group.field = field;
  const { legend, rows, more } = group.parts;
  legend.textContent = field.label;
  const most = Math.max(1, ...field.values.map(([, , count]) => count));
  const shown = field.values.filter(([value], at) => group.whole || at < FIRST || field.chosen.includes(value));
  lay(rows, shown.map(([value, label, count]) => {
    const row = keep(rows, value, "label", "value");
    if (!row.parts) {
      const box = make("input");
      box.type = "checkbox";
      box.onchange = () => send(field.name, value);
      row.append(box, make("span", "label"), make("span", "bar"), make("span", "count"));
      row.parts = { box, label: row.children[1], bar: row.children[2], count: row.children[3] };
    }
    const turned = unanswered(root).filter((one) => one.field === field.name && one.value === value).length;
    row.parts.box.checked = field.chosen.includes(value) !== Boolean(turned % 2);
    row.parts.label.textContent = label;
    row.parts.label.title = label;
    row.parts.bar.style.setProperty("--share", count / most);
    row.parts.count.textContent = written(count);
    row.classList.toggle("none", !count);
    return row;
  }));
  const hidden = field.values.length - shown.length;
  more.hidden = !hidden && !group.whole;
  more.textContent = group.whole ? "Show fewer" : `${hidden} more`;
  more.setAttribute("aria-expanded", String(Boolean(group.whole)));
  return group;
}

function drawYears(root, years, send) {
  const group = keep(root, "year", "fieldset", "field years");
  if (!group.parts) {
    const chart = make("div", "chart");
    const from = make("input"), to = make("input");
    for (const [input, name] of [[from, "First year"], [to, "Last year"]]) {
      input.type = "number";
      input.setAttribute("aria-label", name);
      input.onchange = () => {
        const ordered = [Number(from.value), Number(to.value)].sort((a, b) => a - b);
        choose(group, ordered, send);
      };
    }
    const span = make("div", "span");
    const all = make("button", "more", "All years");
    all.type = "button";
    all.onclick = () => send("year", null);
    span.append(from, make("span", "", "to"), to, all);
    group.append(make("legend", "", "Year"), chart, span);
    group.parts = { chart, from, to, all };
    // Drag over the bars, or click one.
    let start = null;
    const at = (event) => {
      const box = chart.getBoundingClientRect();
      const share = Math.min(0.999, Math.max(0, (event.clientX - box.left) / box.width));
      return group.years.bars[Math.floor(share * group.years.bars.length)][0];
    };
    const mark = (low, high) => {
      [...chart.children].forEach((bar, n) => {
        const year = group.years.bars[n][0];
        bar.classList.toggle("out", year < low || year > high);
      });
    };
    chart.onpointerdown = (event) => { start = at(event); chart.setPointerCapture(event.pointerId); mark(start, start); };
    chart.onpointermove = (event) => {
      if (start !== null) mark(Math.min(start, at(event)), Math.max(start, at(event)));
    };
    chart.onpointerup = (event) => {
      if (start === null) return;
      const ordered = [start, at(event)].sort((a, b) => a - b);
      start = null;
      choose(group, ordered, send);
    };
    chart.onpointercancel = () => { start = null; mark(group.years.low, group.years.high); };
  }
  group.years = years;
  const { chart, from, to, all } = group.parts;
  const most = Math.max(1, ...years.bars.map(([, count]) => count));
  const first = years.bars[0][0], last = years.bars.at(-1)[0];
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", `Figures a year, ${first} to ${last}`);
  chart.replaceChildren(...years.bars.map(([year, count]) => {
    const bar = make("div", "column");
    bar.title = `${year}: ${written(count)}`;
    bar.style.setProperty("--share", count / most);
    bar.classList.toggle("out", year < years.low || year > years.high);
    return bar;
  }));
  for (const [input, value] of [[from, years.low], [to, years.high]]) {
    input.min = first;
    input.max = last;
    input.value = value;
  }
  all.hidden = years.low <= first && years.high >= last;
  return group;
}

function choose(group, [low, high], send) {
  const first = group.years.bars[0][0], last = group.years.bars.at(-1)[0];
  const within = (year) => Math.min(last, Math.max(first, year || first));
  const chosen = [within(low), within(high)];
  send("year", chosen[0] === first && chosen[1] === last ? null : chosen);
}

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".facets");
  if (!root) {
    root = make("div", "facets");
    parentElement.append(root);
  }
  const say = gestures(root, data.answered, setTriggerValue);
  const send = (field, value) => say({ field, value });
  const says = keep(root, " says", "p", "says");
  says.textContent = data.says;
  says.hidden = !data.says;
  says.setAttribute("role", "status");
  const focused = root.getRootNode().activeElement; // before anything is put in its place anew
  const drawn = data.fields.map((field) => drawField(root, field, send));
  if (data.years) drawn.push(drawYears(root, data.years, send));
  lay(root, [says, ...drawn]);
  if (focused && root.contains(focused)) focused.focus({ preventScroll: true });
}
