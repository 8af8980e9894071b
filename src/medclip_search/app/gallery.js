// Cards of figures: drawn from plain data, all text set as text, never as HTML.
// Each gesture is sent back as {act, id}; Python decides what it means and sends new data.

const STAR = '<path d="M12 3.5l2.6 5.5 6 .8-4.4 4.2 1.1 6L12 17.1 6.7 20l1.1-6L3.4 9.8l6-.8z"/>';
const THUMB = '<path d="M3 10.5h3.5v9H3z"/><path d="M6.5 11l4.2-7.4c1.5.1 2.4 1.3 2.1 2.8L12 9.8h6.4' +
  'c1.4 0 2.3 1.2 2 2.5l-1.3 5.6c-.2.9-1 1.6-2 1.6H6.5"/>';

const ACTS = {
  star: { icon: STAR, on: "In the tray: take out", off: "Put into the tray", style: "star" },
  like: { icon: THUMB, on: "Liked: take back", off: "More like this", style: "up" },
  dislike: { icon: THUMB, on: "Disliked: take back", off: "Less like this", style: "down" },
};

function make(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

function newCard(send) {
  const card = make("article", "card");
  card.setAttribute("role", "listitem");
  const figure = make("button", "figure");
  figure.type = "button";
  const image = make("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.onload = () => image.classList.add("loaded");
  image.onerror = () => { none.textContent = "The picture cannot be shown"; };
  const none = make("span", "none");
  const whole = make("span", "whole");
  const rank = make("span", "rank");
  figure.append(none, image, whole, rank);
  figure.onclick = () => send("open", card.dataset.id);
  const text = make("p", "text");
  const foot = make("div", "foot");
  const badges = make("div", "badges");
  const acts = make("div", "acts");
  foot.append(badges, acts);
  card.append(figure, text, foot);
  card.parts = { figure, image, none, whole, rank, text, foot, badges, acts, buttons: {} };
  return card;
}

function fill(card, item, data, send) {
  const { figure, image, none, whole, rank, text, foot, badges, acts, buttons } = card.parts;
  card.dataset.id = item.id;
  card.classList.toggle("gone", Boolean(item.gone));
  const brief = item.caption || "No caption";
  figure.setAttribute("aria-label", `${data.verb}: ${brief}`);
  figure.disabled = Boolean(item.gone);
  if (item.thumbnail) {
    if (image.getAttribute("src") !== item.thumbnail) {
      image.classList.remove("loaded");
      image.src = item.thumbnail;
    }
    image.alt = brief;
    image.hidden = false;
    none.textContent = "";
  } else {
    image.hidden = true;
    none.textContent = item.gone ? "" : "No picture";
  }
  whole.replaceChildren(document.createTextNode(brief));
  if (item.why) whole.append(make("small", "", item.why));
  rank.textContent = item.rank ?? "";
  rank.hidden = item.rank === undefined;
  text.textContent = brief;
  badges.textContent = (item.badges ?? []).join(" · ");
  badges.title = badges.textContent;
  for (const name of data.acts) {
    const act = ACTS[name];
    const pressed = Boolean(item[name]);
    let button = buttons[name];
    if (!button) {
      button = make("button", `act ${act.style}`);
      button.type = "button";
      button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${act.icon}</svg>`;
      button.onclick = () => {
        // Answer the hand at once; Python's answer follows and is what counts.
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
        send(name, card.dataset.id);
      };
      buttons[name] = button;
      acts.append(button);
    }
    button.setAttribute("aria-pressed", String(pressed));
    button.title = pressed ? act.on : act.off;
    button.setAttribute("aria-label", `${button.title}: ${brief.slice(0, 80)}`);
  }
  foot.hidden = !data.acts.length && !(item.badges ?? []).length;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let list = parentElement.querySelector("[role=list]");
  if (!list) {
    list = make("div");
    list.setAttribute("role", "list");
    parentElement.append(list);
  }
  list.className = data.layout;
  list.setAttribute("aria-label", data.label);
  const send = (act, id) => setTriggerValue("gesture", { act, id });
  // Cards are kept by id, so that a new order moves pictures instead of loading them again.
  const kept = new Map([...list.children].map((card) => [card.dataset.id, card]));
  const cards = data.items.map((item) => {
    const card = kept.get(item.id) ?? newCard(send);
    fill(card, item, data, send);
    return card;
  });
  const focused = list.getRootNode().activeElement;
  const stays = cards.length === list.children.length && cards.every((c, i) => c === list.children[i]);
  if (!stays) {
    list.replaceChildren(...cards);
    if (focused && list.contains(focused)) focused.focus({ preventScroll: true });
  }
}
