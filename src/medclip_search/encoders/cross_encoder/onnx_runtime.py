"""A cross-encoder under ONNX Runtime: neither PyTorch nor transformers is needed."""

from __future__ import annotations

from collections.abc import Sequence

from medclip_search.encoders.base import Floats
from medclip_search.encoders.cross_encoder.pairs import log_odds, read_pairs
from medclip_search.encoders.cross_encoder.source import Source
from medclip_search.encoders.onnx_session import is_on_gpu, open_session, require_onnxruntime
from medclip_search.errors import EncoderError, EncoderUnavailableError

_ON_CPU, _ON_GPU = 4, 64


class OnnxCrossEncoder:
    """A folder with ``model.onnx``, ``config.json`` and ``tokenizer.json``, as ``reranker export``
    and Optimum write it."""

    def __init__(self, source: Source) -> None:
        """Raises ``EncoderUnavailableError`` or ``EncoderError``."""
        if source.network is None or not (source.folder / "tokenizer.json").is_file():
            raise EncoderUnavailableError(
                f"{source.label}: has no model.onnx with a tokenizer.json beside it; "
                "'medclip-search reranker export' writes both"
            )
        require_onnxruntime(source.label)
        self.name = source.label
        self._pairs = read_pairs(source.folder / "tokenizer.json", source.length, source.padding)
        self._session = open_session(source.network, source.label)
        self._takes = [one.name for one in self._session.get_inputs()]
        self.batch_size = _ON_GPU if is_on_gpu(self._session) else _ON_CPU

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """(n,) log-odds, of all pairs at once. Raises ``EncoderError``."""
        tokens = self._pairs(query, texts)
        try:
            made = self._session.run(None, {name: tokens[name] for name in self._takes})
        except Exception as error:  # ONNX Runtime's own exceptions have no common root
            reason = str(error).strip().partition("\n")[0]
            raise EncoderError(f"{self.name}: ONNX Runtime failed ({reason})") from error
        return log_odds(made[0])
