"""A model that another one takes the place of where it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from medclip_search.encoders.base import Floats
from medclip_search.encoders.open_clip.encoder import Model
from medclip_search.encoders.open_clip.network import Layer, Tokens
from medclip_search.errors import EncoderError

Made = TypeVar("Made")


class OrElse:
    """The same model under two runtimes, as a ``Model``: the second from the first failure on.

    A damaged file of an exported model is found only when it is first read. ``model`` is the one
    in use; the second is not loaded before it is needed, and then its errors count.
    """

    def __init__(self, first: Callable[[], Model], second: Callable[[], Model]) -> None:
        self._second: Callable[[], Model] | None = second
        try:
            self._use(first())
        except EncoderError:
            self._fall_back(second)

    def images(self, batch: Floats, layers: Sequence[Layer]) -> Mapping[Layer, Floats]:
        return self._made(lambda model: model.images(batch, layers))

    def words(self, tokens: Tokens) -> Floats:
        return self._made(lambda model: model.words(tokens))

    def tokens(self, texts: Sequence[str]) -> Tokens:
        return self._made(lambda model: model.tokens(texts))

    def _made(self, make: Callable[[Model], Made]) -> Made:
        try:
            return make(self.model)
        except EncoderError:
            if self._second is None:
                raise
            self._fall_back(self._second)
            return make(self.model)

    def _fall_back(self, second: Callable[[], Model]) -> None:
        self._second = None
        self._use(second())

    def _use(self, model: Model) -> None:
        self.model = model
        self.dimensions, self.batch_size = model.dimensions, model.batch_size
        self.device = model.device
