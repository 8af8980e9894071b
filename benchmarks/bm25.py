"""Plain BM25, to be beaten: no stemming, no stop words, k1 = 1.2, b = 0.75.

S. Robertson, H. Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond. Foundations and
Trends in Information Retrieval 3(4), 2009.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from medclip_search.evaluation.runs import ranking


class PlainBM25:
    """BM25 over documents by their ids."""

    def __init__(self, documents: Mapping[str, str], k1: float = 1.2, b: float = 0.75) -> None:
        self.ids = list(documents)
        counts = [Counter(words(text)) for text in documents.values()]
        lengths = np.array([count.total() for count in counts], np.float64)
        norm = k1 * (1 - b + b * lengths / lengths.mean())
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for at, count in enumerate(counts):
            for word, times in count.items():
                postings[word].append((at, times))
        self._weights = {}
        for word, each in postings.items():
            at, times = np.array(each).T
            idf = np.log(1 + (len(counts) - len(at) + 0.5) / (len(at) + 0.5))
            self._weights[word] = (at, idf * times * (k1 + 1) / (times + norm[at]))

    def search(self, text: str, k: int) -> dict[str, float]:
        """The best ``k``, with their scores."""
        scores = np.zeros(len(self.ids))
        for word in words(text):
            if word in self._weights:
                at, weights = self._weights[word]
                scores[at] += weights
        best = np.argsort(-scores, kind="stable")[:k]
        return ranking((self.ids[at], scores[at]) for at in best if scores[at] > 0)


def words(text: str) -> list[str]:
    """Runs of letters and digits, in small letters."""
    return re.findall(r"[^\W_]+", text.lower())
