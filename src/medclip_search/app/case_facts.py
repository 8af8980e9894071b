"""What the case view says of a case, as HTML: all of it escaped."""

from __future__ import annotations

import html

from medclip_search.app.gallery import pieces
from medclip_search.cases import Case, column_label
from medclip_search.search.hits import Hit

FACTS_STYLE = """
<style>
  .medclip-caption { font-size:1.02rem; line-height:1.5; overflow-wrap:anywhere; }
  .medclip-caption mark { background:none; color:inherit; font-weight:700; }
  .medclip-caption mark.beside { font-weight:inherit; border-bottom:1px dotted; }
  .medclip-facts { display:grid; grid-template-columns:max-content 1fr; gap:.2rem .9rem;
    font-size:.9rem; margin:.4rem 0; padding:0; }
  .medclip-facts dt { opacity:.75; } .medclip-facts dd { overflow-wrap:anywhere; }
  .medclip-facts, .medclip-facts * { margin-inline:0 !important; padding-inline:0 !important; }
</style>
"""


def caption(case: Case, hit: Hit | None) -> str:
    """The whole caption, with the query's words marked where it answers one."""
    if not case.caption:
        return '<p class="medclip-caption"><em>No caption</em></p>'
    marked = []
    for text, kind in pieces(case.caption, hit.highlights if hit is not None else ()):
        said = html.escape(text)
        style = "typed" if kind == 1 else "beside"
        marked.append(f'<mark class="{style}">{said}</mark>' if kind else said)
    return f'<p class="medclip-caption">{"".join(marked)}</p>'


def why(hit: Hit) -> str:
    """Why it is here, and what likes and dislikes say of it, line by line."""
    said = f"<p><strong>Why it is here.</strong> {html.escape(hit.why)}</p>"
    if hit.feedback is None:
        return said
    lines = (*hit.feedback.lines, hit.feedback.sum)
    items = "".join(f"<li>{html.escape(str(line))}</li>" for line in lines)
    summary = "<summary>What your likes and dislikes say of it, point by point</summary>"
    read = (
        "Points for it (+) and against it (−) add up: +10 are odds ten times as good, −10 a tenth."
    )
    return f"{said}<details>{summary}<ul>{items}</ul><small>{read}</small></details>"


def facts(case: Case) -> str:
    """What is known of the case, as a list of terms."""
    known: list[tuple[str, object]] = [
        ("Modality", case.modality),
        ("Body region", case.region),
        ("Year", case.year),
        ("Licence", case.licence or case.licence_class),
        ("Source", case.corpus),
        ("Keywords", ", ".join(case.keywords)),
        *((_plain(name), value) for name, value in case.metadata.items()),
        ("Id", case.id),
    ]
    rows = [
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in known
        if value not in (None, "")
    ]
    if case.article_link:
        link = html.escape(case.article_link)
        rows.insert(
            0,
            f'<dt>Article</dt><dd><a href="{link}" target="_blank" rel="noopener noreferrer">'
            f"{html.escape(case.article or '')}</a></dd>",
        )
    return f'<dl class="medclip-facts">{"".join(rows)}</dl>'


def _plain(column: str) -> str:
    last = column_label(column)
    return last[:1].upper() + last[1:]
