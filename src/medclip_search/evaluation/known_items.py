"""Known items: a case is asked for by its own caption, picture, or both, and must come first.

What it finds says little of relevance, but whoever looks for a figure that they remember does just
this, and a search that loses it is broken. With words, any case of the same caption counts as
found, for nothing else is known of what was meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from medclip_search.api import Library
from medclip_search.errors import EvaluationError
from medclip_search.evaluation.answer import answer
from medclip_search.evaluation.asked import Mode, check_mode, check_settings, made_of
from medclip_search.evaluation.draw import draw
from medclip_search.evaluation.evaluate import check_depth
from medclip_search.evaluation.measures import check_measures, score
from medclip_search.evaluation.notes import Notes
from medclip_search.evaluation.outcome import Evaluation
from medclip_search.progress import SILENT, Progress

DEFAULT = ("Success@1", "Success@10", "RR@10")


def evaluate_known_items(
    library: Library,
    *,
    mode: Mode = "words",
    measures: Sequence[str] = DEFAULT,
    k: int | None = None,
    where: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Every case (or a ``sample``) asks for itself; ``where`` are filters on what asks and answers.

    Raises ``EvaluationError`` where no case has what the mode asks by.
    """
    check_mode(mode)
    check_settings(settings := settings or {})
    names = check_measures(measures)
    k = check_depth(k, names)
    cases = [
        case
        for case in library.cases(where=where)
        if (mode == "words" or case.image) and (mode == "image" or case.caption)
    ]
    if not cases:
        raise EvaluationError(f"no case has what --mode {mode} asks by; see 'medclip-search info'")
    alike: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        alike[" ".join(case.caption.split())].append(case.id)
    asking = draw(cases, sample, seed, "--sample")
    qrels = {
        case.id: dict.fromkeys(
            alike[" ".join(case.caption.split())] if mode == "words" else [case.id], 1
        )
        for case in asking
    }
    notes = Notes()
    run = answer(
        library,
        ((c.id, made_of(c, mode).query(library, {**settings, "where": where})) for c in asking),
        k,
        heard=lambda _, __, hits: notes.hear(hits),
        progress=progress,
        total=len(asking),
    )
    groups = {case.id: case.article or case.id for case in asking}
    scores = score(run, qrels, names, groups)
    facts = {"protocol": "known-items", "mode": mode, "k": k}
    return Evaluation({"": scores}, run, notes=notes.lines(), facts=facts)
