"""Kinds of corpora to their readers, each imported only when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from medclip_search.corpora.base import Corpus, CorpusSpec
from medclip_search.corpora.spec import KINDS
from medclip_search.errors import CorpusError

READERS = {
    "roco": ("medclip_search.corpora.roco", "RocoCorpus"),
    "rocov2": ("medclip_search.corpora.rocov2", "RocoV2Corpus"),
    "pmc-oa": ("medclip_search.corpora.pmc_oa", "PmcOaCorpus"),
    "dicom": ("medclip_search.corpora.dicom", "DicomCorpus"),
    "beir": ("medclip_search.corpora.beir", "BeirCorpus"),
    "trec": ("medclip_search.corpora.trec", "TrecCorpus"),
    "table": ("medclip_search.corpora.table", "TableCorpus"),
    "folder": ("medclip_search.corpora.folder", "FolderCorpus"),
    "sample": ("medclip_search.corpora.sample", "SampleCorpus"),
}


def open_corpus(spec: CorpusSpec) -> Corpus:
    """The reader of a corpus; raises ``CorpusError`` where nothing of its kind is there."""
    if spec.kind not in READERS:
        raise CorpusError(
            f"corpus {spec.name}: this program knows no kind {spec.kind!r}; "
            f"it knows {', '.join(KINDS)}"
        )
    module, name = READERS[spec.kind]
    return cast(Corpus, getattr(import_module(module), name)(spec))
