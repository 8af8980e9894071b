"""Other ways to use the same likes and dislikes, over unit vectors (n, d) of the cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medclip_search.evaluation.simulate import Ids, Rank, Task


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unit vectors (n, d) of the cases by their ids (n,), and of each task's query, (d,)."""

    ids: Sequence[str]
    rows: NDArray[np.float32]
    queries: Mapping[str, NDArray[np.float32]]

    def mean(self, ids: Sequence[str]) -> NDArray[np.float32]:
        places = {one: at for at, one in enumerate(self.ids)}
        return np.asarray(self.rows[[places[one] for one in ids]].mean(axis=0), np.float32)

    def best(self, scores: NDArray[np.float32], task: Task, group_of: Mapping[str, str]) -> Ids:
        order = np.argsort(-scores, kind="stable").tolist()
        return tuple(self.ids[at] for at in order if group_of[self.ids[at]] != task.group)


def rocchio_rank(vectors: Vectors, group_of: Mapping[str, str]) -> Rank:
    """Rocchio's: the query, and 0.75 of the mean of the liked less 0.15 of the disliked.

    With the weights of Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008.
    """

    def rank(task: Task, likes: Ids, dislikes: Ids, depth: int) -> Ids:
        asked = vectors.queries[task.id].copy()
        if likes:
            asked += 0.75 * vectors.mean(likes)
        if dislikes:
            asked -= 0.15 * vectors.mean(dislikes)
        return vectors.best(vectors.rows @ asked, task, group_of)

    return rank


def logistic_rank(vectors: Vectors, group_of: Mapping[str, str]) -> Rank:
    """Logistic regression (scikit-learn's) of liked, and the query, from disliked.

    Without a dislike there is nothing to tell apart, and the query's own ranking stays.
    """
    from sklearn.linear_model import LogisticRegression

    def rank(task: Task, likes: Ids, dislikes: Ids, depth: int) -> Ids:
        asked = vectors.queries[task.id]
        if not dislikes:
            return vectors.best(vectors.rows @ asked, task, group_of)
        places = {one: at for at, one in enumerate(vectors.ids)}
        rows = np.vstack([asked, vectors.rows[[places[one] for one in (*likes, *dislikes)]]])
        relevant = [True] * (1 + len(likes)) + [False] * len(dislikes)
        model = LogisticRegression(class_weight="balanced").fit(rows, relevant)
        return vectors.best(model.decision_function(vectors.rows), task, group_of)

    return rank
