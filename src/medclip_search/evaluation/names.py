"""Which case a judgement means: judgements name cases as their source does.

A library keeps a source's own ids, and puts the corpus's name before one (``med:13``) only where
two sources collide.
"""

from __future__ import annotations

from collections.abc import Iterable

from medclip_search.api import Library
from medclip_search.cases import Case
from medclip_search.errors import EvaluationError, UsageError
from medclip_search.search.hits import Hit

_MANY = 500


class Names:
    """The cases that some source ids name. ``unknown`` are the ids that no case has.

    ``corpus`` says whose ids they are; it may be left out where each id is in one corpus only,
    else ``EvaluationError`` is raised. ``UsageError`` where there is no such corpus.
    """

    def __init__(self, library: Library, ids: Iterable[str], corpus: str = "") -> None:
        corpora = list(library.facets("corpus"))
        if corpus and corpus not in corpora:
            raise UsageError(
                f"--corpus {corpus}: no corpus of the library is called so; there are: "
                f"{', '.join(corpora) or 'none'}"
            )
        self._corpus = corpus
        self.cases: dict[str, Case] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), _MANY):
            some = wanted[start : start + _MANY]
            asked = [*some, *(f"{name}:{one}" for name in corpora for one in some)]
            there = {case.id: case for case in library.cases(asked)}
            for one in some:
                self._resolve(one, corpora, there)
        self.unknown = [one for one in wanted if one not in self.cases]
        self._named = {case.id: one for one, case in self.cases.items()}

    def _resolve(self, name: str, corpora: list[str], there: dict[str, Case]) -> None:
        ids = [name, *(f"{one}:{name}" for one in corpora)]
        found = [
            case
            for one in ids
            if (case := there.get(one)) and (one == name or one == f"{case.corpus}:{name}")
        ]
        if self._corpus:
            found = [case for case in found if case.corpus == self._corpus][-1:]
        if len(found) > 1:
            raise EvaluationError(
                f"{name}: a case of several corpora ({', '.join(c.corpus for c in found)}); "
                "say whose ids the judgements give, with --corpus NAME"
            )
        if found:
            self.cases[name] = found[0]

    def of(self, hit: Hit) -> str:
        """How judgements would call a hit: by its source's id."""
        if (name := self._named.get(hit.id)) is not None:
            return name
        # What is not judged must not be taken for what is.
        own = hit.id.removeprefix(f"{hit.case.corpus}:") if self._corpus else hit.id
        return hit.id if own in self.cases else own
