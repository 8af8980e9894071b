"""The app's colours: calm, in a light and a dark theme; the system's preference chooses."""

from __future__ import annotations

THEME = {
    "theme.light.primaryColor": "#0b6780",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f2f5f7",
    "theme.light.textColor": "#17212b",
    "theme.dark.primaryColor": "#4cb8d1",
    "theme.dark.backgroundColor": "#0c1014",
    "theme.dark.secondaryBackgroundColor": "#171d24",
    "theme.dark.textColor": "#e6ebf0",
}
"""Streamlit's theme settings."""

PAGE_STYLE = """
<style>
  .stMainBlockContainer { padding: 3.4rem 2rem 4rem; max-width: 110rem; }
  .stSidebar [data-testid="stSidebarHeader"] { padding-bottom: 0; }
  .medclip-brand { display: flex; align-items: baseline; gap: .3rem 1rem; flex-wrap: wrap; }
  .stMainBlockContainer h2 { font-size: 1.55rem; padding-top: 0; }
  .medclip-brand h1 { font-size: 1.55rem; margin: 0; padding: 0; }
  .medclip-brand span { opacity: .75; }
  .medclip-notice {
    position: fixed; inset: auto 0 0 0; z-index: 999990; padding: .3rem 2rem;
    text-align: end; font-size: .8rem; pointer-events: none;
    background: Canvas; color: inherit;
    border-top: 1px solid color-mix(in srgb, currentColor 18%, transparent);
  }
  .medclip-lost, .medclip-large, .medclip-waiting {
    position: fixed; inset: auto auto 2.2rem 2rem; z-index: 999991; margin-right: 2rem;
    max-width: 40rem; padding: .5rem 1rem; border-radius: 6px; background: #17212b; color: #fff;
    border: 1px solid #6b7885; font-size: .9rem; }
  /* Shown after a while: a short break mends itself. */
  .medclip-lost { visibility: hidden; }
  .stApp:not([data-test-connection-state="CONNECTED"]) .medclip-lost { visibility: visible;
    transition: visibility 0s 1.5s; }
  /* Streamlit's own box then asks whether one is connected to the internet. */
  body:has(.stApp:not([data-test-connection-state="CONNECTED"]))
    [data-testid="stDialog"]:not(:has([data-testid="stVerticalBlock"])) { display: none; }
  /* The browser refuses a large file, and Streamlit marks it in the bar with a mere tooltip. The
     sentence is to be read to its end, though Enter takes the mark away. */
  .medclip-large { visibility: hidden; transition: visibility 0s 15s; }
  .stApp[data-test-connection-state="CONNECTED"]:has(
    [data-testid="stChatInput"] [data-testid="stFileChip"][aria-invalid="true"])
    .medclip-large { visibility: visible; transition: none; }
  /* Here and not with the chips: what is drawn before its style comes jumps when it does. */
  .medclip-chip { display: flex; align-items: center; gap: .6rem; max-width: 24rem; }
  .medclip-chip img { height: 64px; max-width: 128px; background: #000; object-fit: contain;
    border-radius: 4px; display: block; flex: none; }
  .medclip-chip span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  [class*="st-key-chip-"] { padding: .2rem .8rem; }
  /* Quiet, but with the contrast of WCAG AA, which Streamlit's own captions miss. */
  [data-testid="stCaptionContainer"] { color: inherit; opacity: 1; }
  [data-testid="stCaptionContainer"] p { opacity: .75; }
  [data-testid="stPopoverButton"][aria-expanded="true"] { color: inherit; }
  /* A cross says it; its name is for those who hear the page. */
  [class*="st-key-remove-"] [data-testid="stMarkdownContainer"] {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  [class*="st-key-chip-unwanted"] { border-style: dashed; border-color: #c4473a; }
  /* As high as the row of examples, which stays until the answers are complete. */
  .st-key-headline { min-height: 2.5rem; }
  /* What is said of the answers stands close together. */
  [data-testid="stLayoutWrapper"]:has(> .st-key-headline) + *,
  [data-testid="stLayoutWrapper"]:has(> .st-key-called) { margin-top: -.7rem; }
  /* At the foot of the window wherever one reads, above the notice: cards do not move for it. */
  [data-testid="stLayoutWrapper"]:has(> .st-key-steering) {
    position: sticky; bottom: 2.2rem; z-index: 100;
  }
  .st-key-steering { padding: .4rem .8rem; background: Canvas; }
  .st-key-steering p { font-size: .9rem; line-height: 1.4; }
  .st-key-steering [data-testid="stLayoutWrapper"]:has(> .st-key-changes) { flex: 1 1 16rem; }
  .st-key-map-within { min-height: 2.5rem; }
  /* While a file is dragged over the page, all of it is the search bar's drop zone. */
  [data-testid="stChatInput"] [role="presentation"]:not([data-testid]) {
    position: fixed; inset: 0; z-index: 999999; border-radius: 0;
    background: rgb(76 184 209 / 15%);
  }
  /* Low windows, such as 1280 x 800 at twice its size: what stands over the figures is thin, so
     that the first of them are seen; nothing is left out. */
  @media (max-height: 30rem) {
    .stAppHeader, .stAppToolbar { height: 2.5rem; min-height: 2.5rem; }
    .stMainBlockContainer { padding: 2.6rem 2rem 2rem; }
    .stMainBlockContainer > [data-testid="stVerticalBlock"] { gap: .4rem; }
    .medclip-brand h1 { font-size: 1.1rem; }
    .medclip-brand span { font-size: .8rem; }
    .medclip-notice { padding: .05rem 2rem; font-size: .75rem; }
    [data-testid="stChatInput"] > div { padding-block: 0; min-height: 0; }
    /* One line, which scrolls sideways. */
    .st-key-asked, .st-key-called { flex-wrap: nowrap; overflow-x: auto; }
    .st-key-asked > *, .st-key-called > * { flex: none; }
    .st-key-asked button, .st-key-called button, .st-key-steering button { min-height: 1.8rem; }
    [class*="st-key-chip-"] { padding: 0 .6rem; }
    .medclip-chip img { height: 1.8rem; }
    .st-key-headline { min-height: 1.8rem; row-gap: 0; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-headline) + *,
    [data-testid="stLayoutWrapper"]:has(> .st-key-called) + * { margin-top: -.2rem; }
    [data-testid="stCaptionContainer"] p { font-size: .8rem; line-height: 1.3; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-steering) { bottom: 1.3rem; }
    .st-key-steering { flex-wrap: nowrap; gap: .5rem; padding: .1rem .5rem; }
    .st-key-steering > * { min-width: 0; }
    .st-key-steering p { font-size: .75rem; line-height: 1.25; }
    .st-key-steering .stButton [data-testid="stMarkdownContainer"] {
      position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  }
  /* Where the ways to the pages are at the side, the head has room beside its button. */
  @media (max-height: 30rem) and (max-width: 47.9rem) {
    .stAppHeader { width: 3.6rem; }
    .stMainBlockContainer { padding-top: .5rem; }
    .medclip-brand { margin-left: 1.6rem; min-height: 1.8rem; align-items: center; }
  }
</style>
"""
"""The few rules that Streamlit's settings do not reach."""


def plain(text: str) -> str:
    """Text as it is, where Markdown would be read (notes may quote the user's words)."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|$:~" else c for c in text)
