// The cases of a tray: drawn from plain data, all text set as text, never as HTML.
// What is done is sent as {tray, act, id, …}; Python decides what it means and sends new data.
// Notes go straight to the API, so that none is lost when the page is left while it is typed.

const DOTS = '<svg viewBox="0 0 16 16" aria-hidden="true">' +
  [3, 8, 13].map((y) => `<circle cx="5" cy="${y}" r="1.5"/><circle cx="11" cy="${y}" r="1.5"/>`).join("") +
  "</svg>";
const PAUSE_MS = 700;  // a note is saved when the typing stops for so long

function make(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

function button(style, text, act) {
  const element = make("button", style, text);
  element.type = "button";
  element.onclick = act;
  return element;
}

// Saves what was typed into a row; nothing is unsaved while `typed` equals `saved`.
async function save(list, row) {
  clearTimeout(row.pause);
  const note = row.typed;
  if (note === undefined || note === row.saved) return row.saving;
  row.saved = note;
  row.saving = put(list, row, note);
  return row.saving;
}

async function put(list, row, note) {
  const said = row.parts.said;
  const path = row.dataset.id.split("/").map(encodeURIComponent).join("/");
  try {
    const answer = await fetch(`${list.address}/cases/${path}`, {
      method: "PUT", body: JSON.stringify({ note }), keepalive: true,
      headers: { "Content-Type": "application/json" },
    });
    said.textContent = answer.ok ? "" : `Not saved: ${(await answer.json()).error}`;
    if (!answer.ok) row.saved = undefined;
  } catch {
    said.textContent = "Not saved: the server does not answer";
    row.saved = undefined;
  }
}

function newRow(list) {
  const row = make("div", "row");
  row.setAttribute("role", "listitem");
  const place = () => [...list.children].indexOf(row);
  const send = (act, more) => list.send(act, row.dataset.id, more);
  // Not a place: several quick steps add up, though the page is drawn after them all.
  const step = (by) => send("step", { by });

  const order = make("div", "order");
  const handle = make("span", "handle");
  handle.innerHTML = DOTS;
  handle.title = "Drag to put it elsewhere";
  const number = make("span", "number");
  order.append(handle, number);
  // Only by the handle, so that text in the row can be marked.
  handle.onpointerdown = () => { row.draggable = true; };
  handle.onpointerup = () => { row.draggable = false; };
  row.ondragstart = (event) => {
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
    list.dragged = row;
    row.classList.add("dragged");
  };
  row.ondragend = () => {
    row.draggable = false;
    row.classList.remove("dragged");
    list.dragged = undefined;
    if (place() !== row.place) send("place", { place: place() });
  };
  row.onkeydown = (event) => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    step(event.key === "ArrowUp" ? -1 : 1);
  };

  const figure = button("figure", undefined, () => send("open"));
  const image = make("img");
  image.loading = "lazy";
  image.decoding = "async";
  const none = make("span", "");
  figure.append(image, none);

  const told = make("div", "told");
  const caption = make("p", "caption");
  const facts = make("p", "small");
  const citation = make("p", "small");
  const licence = make("p", "small");
  told.append(caption, facts, citation, licence);

  const note = make("div", "note");
  const area = make("textarea");
  area.placeholder = "Your note";
  area.oninput = () => {
    row.typed = area.value;
    clearTimeout(row.pause);
    row.pause = setTimeout(() => save(list, row), PAUSE_MS);
  };
  area.onchange = () => save(list, row);
  const said = make("p", "small ask");
  said.setAttribute("role", "alert");
  note.append(area, said);

  const acts = make("div", "acts");
  const up = button("", "↑ Up", () => step(-1));
  const down = button("", "↓ Down", () => step(1));
  const remove = button("", "Take out", () => send("remove"));
  const elsewhere = make("select");
  elsewhere.onchange = () => {
    const [act, to] = [elsewhere.value.slice(0, 4), elsewhere.value.slice(4)];
    elsewhere.selectedIndex = 0;
    if (act) send(act, { to });
  };
  acts.append(up, down, elsewhere, remove);

  row.append(order, figure, told, note, acts);
  row.parts = { number, figure, image, none, caption, facts, citation, licence, area, said, up, down, elsewhere, remove };
  return row;
}

function fill(row, item, place, data) {
  const p = row.parts;
  const brief = item.caption.slice(0, 80);
  row.dataset.id = item.id;
  row.place = place;
  row.classList.toggle("gone", Boolean(item.gone));
  p.number.textContent = place + 1;
  p.figure.disabled = Boolean(item.gone);
  p.figure.setAttribute("aria-label", `Open: ${brief}`);
  p.image.hidden = !item.thumbnail;
  p.none.textContent = item.thumbnail || item.gone ? "" : "No picture";
  if (item.thumbnail && p.image.getAttribute("src") !== item.thumbnail) p.image.src = item.thumbnail;
  p.image.alt = item.caption;
  p.caption.textContent = item.caption;
  p.caption.title = item.caption;
  p.facts.textContent = item.facts ?? "";
  p.citation.textContent = item.citation ?? "";
  p.licence.textContent = item.licence ?? "";
  p.licence.className = item.ask ? "small ask" : "small";
  for (const part of [p.facts, p.citation, p.licence]) part.hidden = !part.textContent;
  p.area.maxLength = data.longest;
  p.area.setAttribute("aria-label", `Note on figure ${place + 1}: ${brief}`);
  // What was typed here is newer than what Python had read.
  if (row.typed === undefined && p.area.value !== item.note) p.area.value = item.note;
  p.up.disabled = place === 0;
  p.down.disabled = place === data.items.length - 1;
  p.up.setAttribute("aria-label", `Move up: ${brief}`);
  p.down.setAttribute("aria-label", `Move down: ${brief}`);
  p.remove.setAttribute("aria-label", `Take out of the tray: ${brief}`);
  p.elsewhere.hidden = !data.others.length;
  p.elsewhere.setAttribute("aria-label", `Move or copy to another tray: ${brief}`);
  const choices = JSON.stringify(data.others);
  if (row.choices !== choices) {
    row.choices = choices;
    const first = make("option", "", "Move or copy");
    first.value = "";
    const groups = [["move", "Move to"], ["copy", "Copy to"]].map(([act, label]) => {
      const group = make("optgroup");
      group.label = label;
      group.append(...data.others.map((name) => {
        const option = make("option", "", name);
        option.value = act + name;
        return option;
      }));
      return group;
    });
    p.elsewhere.replaceChildren(first, ...groups);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  let list = parentElement.querySelector("[role=list]");
  if (!list) {
    list = make("div");
    list.setAttribute("role", "list");
    list.setAttribute("aria-label", "Figures of the tray, in order");
    list.ondragover = (event) => {
      if (!list.dragged) return;
      event.preventDefault();
      const over = [...list.children].find((row) => {
        const box = row.getBoundingClientRect();
        return row !== list.dragged && event.clientY < box.top + box.height / 2;
      });
      if (over !== list.dragged.nextElementSibling) list.insertBefore(list.dragged, over ?? null);
    };
    list.ondrop = (event) => event.preventDefault();
    parentElement.append(list);
  }
  const say = gestures(list, data.answered, setTriggerValue);
  list.send = async (act, id, more = {}) => {
    const tray = list.dataset.tray;
    await Promise.all([...list.children].map((row) => save(list, row)));
    say({ tray, act, id, ...more });
  };
  if (list.dataset.tray !== data.tray) {
    for (const row of list.children) save(list, row);
    list.replaceChildren();
    list.dataset.tray = data.tray;
  }
  list.address = data.address;
  if (list.dragged) return;  // data that comes while a row is in the hand is drawn with the next
  const kept = new Map([...list.children].map((row) => [row.dataset.id, row]));
  const rows = data.items.map((item, place) => {
    const row = kept.get(item.id) ?? newRow(list);
    fill(row, item, place, data);
    return row;
  });
  const focused = list.getRootNode().activeElement;
  const stays = rows.length === list.children.length && rows.every((row, i) => row === list.children[i]);
  if (!stays) {
    list.replaceChildren(...rows);
    if (focused && list.contains(focused)) {
      // At the end of its way a button is off: the one that leads back takes the focus.
      const row = focused.closest(".row");
      (focused.disabled ? row.parts[focused === row.parts.up ? "down" : "up"] : focused).focus();
    }
  }
}
