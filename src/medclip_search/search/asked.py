"""What is asked: a query with its vectors and what else its words are searched for, to be ranked.

It is ranked once for the answers, and for facets once more with each filtered field set free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medclip_search.encoders.base import Floats
from medclip_search.search import retrieve
from medclip_search.search.combine import Combiner
from medclip_search.search.encoding import Encoded
from medclip_search.search.expand import Expansion
from medclip_search.search.facets import Counted
from medclip_search.search.function_words import silent
from medclip_search.search.fuse import RankedList, candidates, completed, fuse, weighted
from medclip_search.search.query import Query
from medclip_search.search.snapshot import Snapshot
from medclip_search.search.together import Once, together

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, read and encoded; ``expanded`` and ``encoded.words`` go with its texts.

    A text is expanded when that is first needed: pictures are looked for meanwhile.
    """

    generation: Snapshot
    query: Query
    encoded: Encoded
    expanded: Sequence[Once[Expansion]]
    liked: Sequence[int]
    combiner: Combiner | None = None

    @property
    def browses(self) -> bool:
        """Whether nothing is asked but filters."""
        query = self.query
        return not (query.text or query.image or query.vector or self.liked)

    @property
    def counted(self) -> Counted:
        """Which of the answers facets count."""
        query = self.query
        if query.text and not (query.image or query.vector):
            return "matches"
        return "passing" if self.browses else "best"

    def matched(self, *, every: bool = False) -> Mask | None:
        """The cases that match, filters aside; ``None`` where all do, more or less.

        ``every``: those with all of the plain words.
        """
        columns = self.generation.columns
        if self.counted == "best":
            return None
        if self.counted == "passing":
            return columns.live
        matched = np.zeros(columns.size, np.bool_)
        for text, one in zip(self.query.text, self.expanded, strict=True):
            index, also = self.generation.text, one().also
            matched |= index.matches(text, columns.size, silent(), also, every=every)
        return matched & columns.live

    def ranking(
        self, depth: int, allowed: Mask | None
    ) -> tuple[list[RankedList], Keys, NDArray[np.float64]]:
        """The lists, so deep, and their fusion: keys and scores, best first."""
        order = self.generation.columns.order
        lists = completed(self._lists(depth, allowed), order)
        if self.combiner is not None and self.query.fusion == "convex":
            lists = self.combiner.weighed(lists)
        return lists, *fuse(lists, order, self.query.fusion)

    def _pictured(self, depth: int, allowed: Mask | None) -> list[Callable[[], list[RankedList]]]:
        """What gives the lists of each image and vector; they may be asked together."""
        query, ask = self.query, (depth, allowed)

        def lists_of(part: str, at: int, vector: Any) -> list[RankedList]:
            if part == "image":
                found = retrieve.image_lists(self.generation, vector, *ask)
            else:
                found = retrieve.vector_lists(self.generation, vector, query.space, *ask)
            return weighted(found, query.weight(part, at))

        asked: dict[str, Sequence[Any]] = {
            "image": self.encoded.images,
            "vector": cast("tuple[Floats, ...]", query.vector),
        }
        return [
            partial(lists_of, part, at, vector)
            for part, vectors in asked.items()
            for at, vector in enumerate(vectors)
        ]

    def _asked(self, depth: int, allowed: Mask | None) -> list[RankedList]:
        """The lists of the texts, the images and the vectors.

        Each text is expanded and then searched for; beside that the pictures are looked for. What
        either finds is then scored by the other.
        """
        count = len(self.query.text)
        pictures = self._pictured(depth, allowed)
        if not count or not pictures:
            texts = (partial(self._worded, at, depth, allowed) for at in range(count))
            each: list[Callable[[], list[RankedList]]] = [*texts, *pictures]
            return [one for found in together(each) for one in found]
        pictured = Once(lambda: [one for part in pictures for one in part()])

        def worded(at: int) -> tuple[list[RankedList], Keys, list[Scores]]:
            lists = self._worded(at, depth, allowed)
            keys = candidates(lists)
            return lists, keys, [one.exactly(keys) for one in pictured()]

        def beside() -> tuple[list[RankedList], Keys, list[Scores]]:
            keys = candidates(pictured())
            texts = zip(self.query.text, self.expanded, strict=True)
            scores = [
                retrieve.words_score(self.generation, text, expanded().also)(keys)
                for text, expanded in texts
            ]
            return pictured(), keys, scores

        parts: list[Callable[[], tuple[list[RankedList], Keys, list[Scores]]]]
        parts = [*(partial(worded, at) for at in range(count)), beside]
        *by_text, (nearest, near, by_words) = together(parts)
        lists: list[RankedList] = []
        for (found, keys, scores), known in zip(by_text, by_words, strict=True):
            lists += [one.knowing(near, known) if one.name == "words" else one for one in found]
            told = zip(nearest, scores, strict=True)
            nearest = [one.knowing(keys, some) for one, some in told]
        return [*lists, *nearest]

    def _worded(self, at: int, depth: int, allowed: Mask | None) -> list[RankedList]:
        """The lists of the ``at``-th text."""
        text, meant = self.query.text[at], self.encoded.words[at]
        also = self.expanded[at]().also
        found = retrieve.words_lists(self.generation, text, meant, depth, allowed, also)
        return weighted(found, self.query.weight("words", at))

    def _lists(self, depth: int, allowed: Mask | None) -> list[RankedList]:
        generation, query = self.generation, self.query
        lists = self._asked(depth, allowed)
        if self.browses:
            passing = generation.columns.live if allowed is None else allowed
            lists.append(retrieve.filter_list(generation, passing, depth, query.sort))
        elif not (query.text or query.image or query.vector):
            cases = generation.cases(self.liked)
            for key in self.liked:
                lists += retrieve.like_lists(generation, key, cases[key].caption, depth, allowed)
        for at, vectors in enumerate(self.encoded.unwanted):
            found = retrieve.unwanted_image_lists(generation, vectors)
            lists += weighted(found, query.weight("not-image", at))
        return lists

    def notes(self, lists: Sequence[RankedList]) -> list[str]:
        """What a user is to know of how the words were understood."""
        notes: list[str] = []
        for text, one in zip(self.query.text, self.expanded, strict=True):
            notes += [*one().notes, *_word_notes(self.generation, text, lists)]
        return notes


def _word_notes(generation: Snapshot, text: str, lists: Sequence[RankedList]) -> list[str]:
    notes = []
    if unknown := generation.text.unknown(text):
        named = ", ".join(f"“{word}”" for word in unknown[:3])
        guessed = any(map(generation.text.guesses_at, unknown))
        instead = "; words one letter off were looked for instead" if guessed else ""
        notes.append(f"No case has {named}{instead}.")
    spaces = retrieve.image_spaces(generation)
    if spaces and not retrieve.word_spaces(generation):
        through = any(one.name.startswith("words-through-captions:") for one in lists)
        reach = "; pictures without a caption were reached through similar ones" if through else ""
        made = retrieve.encoded_spaces(generation)
        what = "reads pictures only" if made else "holds ready-made vectors"
        notes.append(
            f"Words were matched against captions, not pictures ({', '.join(made or spaces)} "
            f"{what}){reach}."
        )
    return notes
