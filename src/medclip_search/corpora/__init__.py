"""Corpora: where cases come from, one reader a kind."""

from medclip_search.corpora.base import Corpus, CorpusSpec, Skipped
from medclip_search.corpora.registry import open_corpus
from medclip_search.corpora.spec import (
    KINDS,
    parse_columns,
    parse_corpora,
    parse_spec,
    spec_from_json,
    spec_to_json,
)

__all__ = [
    "KINDS",
    "Corpus",
    "CorpusSpec",
    "Skipped",
    "open_corpus",
    "parse_columns",
    "parse_corpora",
    "parse_spec",
    "spec_from_json",
    "spec_to_json",
]
