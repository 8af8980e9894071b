// Cards of figures: drawn from plain data, all text set as text, never as HTML.
// Each gesture is sent back as {act, id, on}; Python decides what it means and sends new data. ``on``
// is what a button is to be, of what it shows: another tab may have changed what is kept meanwhile.

const STAR = '<path d="M12 3.5l2.6 5.5 6 .8-4.4 4.2 1.1 6L12 17.1 6.7 20l1.1-6L3.4 9.8l6-.8z"/>';
const THUMB = '<path d="M3 10.5h3.5v9H3z"/><path d="M6.5 11l4.2-7.4c1.5.1 2.4 1.3 2.1 2.8L12 9.8h6.4' +
  'c1.4 0 2.3 1.2 2 2.5l-1.3 5.6c-.2.9-1 1.6-2 1.6H6.5"/>';

const LENS = '<circle cx="10.5" cy="10.5" r="6.5"/><path d="M15.5 15.5L21 21"/>';

const ACTS = {
  search: { icon: LENS, off: "Search with this figure", style: "search", letter: "f" },
  star: { icon: STAR, on: "In the tray: take out", off: "Put into the tray", style: "star", letter: "s" },
  like: { icon: THUMB, on: "Liked: take back", off: "More like this", style: "up", letter: "l" },
  dislike: { icon: THUMB, on: "Disliked: take back", off: "Less like this", style: "down", letter: "d" },
};

const MOVE_MS = 320; // cards glide so long to their new places, and are not to be hit meanwhile
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

function make(tag, style, text) {
  const element = document.createElement(tag);
  if (style) element.className = style;
  if (text !== undefined) element.textContent = text;
  return element;
}

function newCard(send) {
  const card = make("div", "card");
  card.setAttribute("role", "listitem");
  const figure = make("button", "figure");
  figure.type = "button";
  figure.setAttribute("aria-keyshortcuts", "Enter");
  const image = make("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.onload = () => { image.classList.add("loaded"); figure.classList.remove("waiting"); };
  image.onerror = () => {
    none.textContent = "The picture cannot be shown";
    figure.classList.remove("waiting");
  };
  const none = make("span", "none");
  const whole = make("span", "whole");
  const rank = make("span", "rank");
  figure.append(none, image, whole, rank);
  figure.onclick = () => send("open", card.dataset.id);
  const stack = make("button", "stack");
  stack.type = "button";
  stack.onclick = () => send("stack", card.dataset.id);
  const text = make("p", "text");
  const foot = make("div", "foot");
  const badges = make("div", "badges");
  const why = make("p", "why");
  const acts = make("div", "acts");
  foot.append(acts);
  card.append(figure, stack, text, badges, why, foot);
  card.parts = { figure, image, none, whole, rank, stack, text, badges, foot, why, acts, buttons: {} };
  return card;
}

const EARLY = 60, LEAD = 25; // characters: a word further down is shown with so much before it

// A caption with the query's words marked; of those searched for beside them only where ``whole``.
// Otherwise it begins shortly before the first of them, lest two lines end before it.
function caption(item, brief, whole) {
  let pieces = item.pieces?.length ? item.pieces : [[brief, 0]];
  const marked = pieces.findIndex(([, kind]) => kind === 1);
  const before = pieces.slice(0, Math.max(0, marked)).map(([text]) => text).join("");
  if (!whole && before.length > EARLY) {
    const cut = before.lastIndexOf(" ", before.length - LEAD) + 1;
    pieces = [["… " + before.slice(cut), 0], ...pieces.slice(marked)];
  }
  return pieces.map(([text, kind]) =>
    kind === 1 || (kind && whole) ? make("mark", kind === 1 ? "typed" : "beside", text) : document.createTextNode(text));
}

function fill(card, item, data, send, waiting) {
  const { figure, image, none, whole, rank, stack, text, badges, foot, why, acts, buttons } = card.parts;
  card.dataset.id = item.id;
  card.classList.toggle("gone", Boolean(item.gone));
  card.classList.toggle("beneath", Boolean(item.beneath));
  const brief = item.caption || "No caption";
  figure.setAttribute("aria-label", `${data.verb}: ${brief}${item.why ? `. ${item.why}` : ""}`);
  figure.disabled = Boolean(item.gone);
  if (item.thumbnail) {
    if (image.getAttribute("src") !== item.thumbnail) {
      image.classList.remove("loaded");
      figure.classList.add("waiting");
      image.src = item.thumbnail;
    }
    image.alt = brief;
    image.hidden = false;
    none.textContent = "";
  } else {
    image.hidden = true;
    figure.classList.remove("waiting");
    none.textContent = item.gone ? "" : "No picture";
  }
  whole.replaceChildren(...caption(item, brief, true));
  if (item.why) whole.append(make("small", "", item.why));
  rank.textContent = item.rank ?? "";
  rank.hidden = item.rank === undefined;
  stack.hidden = !item.stack;
  if (item.stack) {
    stack.textContent = item.unfolded ? "Fold" : `+${item.stack.count}`;
    stack.title = `${item.unfolded ? "Fold" : "Show"} ${item.stack.says}`;
    stack.setAttribute("aria-label", stack.title);
    stack.setAttribute("aria-expanded", String(Boolean(item.unfolded)));
  }
  text.replaceChildren(...caption(item, brief, false));
  badges.replaceChildren(...(item.badges ?? []).map((badge) => make("span", "badge", badge)));
  badges.title = (item.badges ?? []).join(" · ");
  why.textContent = item.why ?? "";
  why.title = item.why ?? "";
  why.hidden = !item.why;
  for (const name of data.acts) {
    const act = ACTS[name];
    const last = waiting.findLast((one) => one.act === name && one.id === item.id);
    const pressed = last ? last.on : Boolean(item[name]);
    let button = buttons[name];
    if (!button) {
      button = make("button", `act ${act.style}`);
      button.type = "button";
      button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${act.icon}</svg>`;
      button.setAttribute("aria-keyshortcuts", act.letter);
      button.onclick = () => {
        if (!act.on) return send(name, card.dataset.id);
        // Answer the hand at once; Python's answer follows and is what counts.
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        send(name, card.dataset.id, on);
      };
      buttons[name] = button;
      acts.append(button);
    }
    if (act.on) button.setAttribute("aria-pressed", String(pressed));
    button.hidden = name === "search" && !item.thumbnail;
    button.title = `${pressed ? act.on : act.off} (${act.letter})`;
    button.setAttribute("aria-label", `${pressed ? act.on : act.off}: ${brief.slice(0, 80)}`);
  }
  badges.hidden = !(item.badges ?? []).length;
  foot.hidden = !data.acts.length;
}

// Arrow keys go from card to card as they lie; s, l and d act on the card that has the focus.
function pressed(event, list) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const cards = [...list.children];
  const at = cards.findIndex((card) => card.contains(event.target));
  if (at < 0) return;
  const letter = event.key.toLowerCase();
  const name = Object.keys(ACTS).find((one) => ACTS[one].letter === letter);
  if (name && cards[at].parts.buttons[name]) {
    event.preventDefault();
    event.stopPropagation(); // Streamlit has letters of its own
    cards[at].parts.buttons[name].click();
    return;
  }
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: cards.length - 1 }[event.key]
    ?? (event.key === "ArrowUp" || event.key === "ArrowDown" ? across(cards, at, event.key === "ArrowDown") : at);
  if (to !== at && cards[to]) {
    event.preventDefault();
    event.stopPropagation();
    cards[to].parts.figure.focus();
  }
}

// The card above or below, in the nearest row, whose middle is nearest.
function across(cards, at, down) {
  const middle = (card) => card.offsetLeft + card.offsetWidth / 2;
  const own = cards[at];
  const rows = cards.map((card) => card.offsetTop).filter((top) => (down ? top > own.offsetTop : top < own.offsetTop));
  if (!rows.length) return at;
  const row = down ? Math.min(...rows) : Math.max(...rows);
  const there = cards.filter((card) => card.offsetTop === row);
  there.sort((a, b) => Math.abs(middle(a) - middle(own)) - Math.abs(middle(b) - middle(own)));
  return cards.indexOf(there[0]);
}

// Cards glide from where they were to where they are (FLIP: Lewis, 2015).
function glide(list, before) {
  if (calm.matches) return;
  for (const card of list.children) {
    const from = before.get(card);
    const to = card.getBoundingClientRect();
    const frames = from
      ? [{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, { transform: "none" }]
      : [{ opacity: 0 }, { opacity: 1 }];
    if (!from || from.left !== to.left || from.top !== to.top) {
      card.animate(frames, { duration: MOVE_MS, easing: "ease" });
    }
  }
  list.classList.add("moving");
  clearTimeout(list.moving);
  list.moving = setTimeout(() => list.classList.remove("moving"), MOVE_MS);
}

export default function ({ data, parentElement, setTriggerValue }) {
  let list = parentElement.querySelector("[role=list]");
  if (!list) {
    list = make("div");
    list.setAttribute("role", "list");
    list.addEventListener("keydown", (event) => pressed(event, list));
    parentElement.append(list);
  }
  list.className = data.layout;
  list.setAttribute("aria-label", data.label);
  const say = gestures(list, data.answered, setTriggerValue);
  const send = (act, id, on = true) => say({ act, id, on });
  const waiting = unanswered(list);
  // Cards are kept by id, so that a new order moves pictures instead of loading them again.
  const old = [...list.children];
  const kept = new Map(old.map((card) => [card.dataset.id, card]));
  const cards = data.items.map((item) => {
    const card = kept.get(item.id) ?? newCard(send);
    fill(card, item, data, send, waiting);
    return card;
  });
  const [question, page] = data.page ?? [];
  const asked = list.shown && list.shown.question !== question;
  const turned = asked || (list.shown && list.shown.page !== page);
  list.shown = { question, page };
  const stays = cards.length === old.length && cards.every((card, at) => card === old[at]);
  if (!stays) {
    const focused = list.getRootNode().activeElement;
    const at = old.findIndex((card) => focused && card.contains(focused));
    const shared = cards.some((card) => old.includes(card));
    const before = new Map(shared ? old.map((card) => [card, card.getBoundingClientRect()]) : []);
    list.replaceChildren(...cards);
    if (shared && !turned) glide(list, before);
    if (focused && list.contains(focused)) {
      focused.focus({ preventScroll: true });
    } else if (at >= 0 && cards.length && !turned) {
      // The card under the hand has left: what took its place takes the focus.
      cards[Math.min(at, cards.length - 1)].parts.figure.focus({ preventScroll: true });
    }
  }
  list.style.scrollMarginTop = asked ? "1000vh" : ""; // past the page's top: as far up as it goes
  if (turned) list.scrollIntoView({ block: "start" });
}
