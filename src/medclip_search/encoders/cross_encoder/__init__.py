"""Cross-encoders: how relevant a text is to a query, told by a network that reads both at once.

MedCPT's, trained on 18 million pairs of PubMed's search log, is the natural one here: Q. Jin et
al., "MedCPT: Contrastive Pre-trained Transformers with large-scale PubMed search logs for
zero-shot biomedical information retrieval", Bioinformatics 39 (2023) btad651. Any other
``…ForSequenceClassification`` of transformers with one logit (or two, for no and yes) will do.
"""

from medclip_search.encoders.cross_encoder.choose import load
from medclip_search.encoders.cross_encoder.pairs import CrossEncoder

__all__ = ["CrossEncoder", "load"]
