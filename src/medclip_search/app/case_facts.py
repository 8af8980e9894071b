"""What the case view says of a case, as HTML: all of it escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping

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
    known = {
        "Modality": case.modality,
        "Body region": case.region,
        "Year": case.year,
        "Licence": case.licence or case.licence_class,
        "Source": case.corpus,
        "Keywords": ", ".join(case.keywords),
    }
    told = {name: str(value) for name, value in known.items() if value not in (None, "")}
    told |= _columns(case, told) | {"Id": case.id}
    rows = [
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in told.items()
    ]
    if case.article_link:
        link = html.escape(case.article_link)
        rows.insert(
            0,
            f'<dt>Article</dt><dd><a href="{link}" target="_blank" rel="noopener noreferrer">'
            f"{html.escape(case.article or '')}</a></dd>",
        )
    return f'<dl class="medclip-facts">{"".join(rows)}</dl>'


def _columns(case: Case, told: Mapping[str, str]) -> dict[str, str]:
    """What the columns of its table tell beyond that, each name once.

    A column that says what is told already is left out (``Type`` is ``CT``); one of the same name
    that says it more closely takes its place (``CT - noncontrast``), and one that says otherwise
    stands beside it.
    """
    said = {value.casefold() for value in told.values()}
    found: dict[str, str] = {}
    for column, given in case.metadata.items():
        value = "" if given is None else str(given)
        if not value or value.casefold() in said:
            continue
        label = column_label(column)
        name = label[:1].upper() + label[1:]
        before = found.get(name) or told.get(name, "")
        if before and before.casefold() not in value.casefold():
            value = f"{before} · {value}"
        found[name] = value
    return found
