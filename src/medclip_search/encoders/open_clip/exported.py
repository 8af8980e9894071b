"""An exported model: a folder with its networks, its tokenizer, and a page that describes them.

    medclip_encoder.json   what it is, and the size and SHA-256 of every other file
    image.onnx             pixels to the joint vector and, where the model has one, the trunk's
    words.onnx             token ids to the joint vector
    tokenizer.json         texts to token ids
    image.int8.onnx, words.int8.onnx   the same with 8-bit weights, where they were asked for

Weights of more than 2 GB lie beside their network, in ``image.onnx.data``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from medclip_search.encoders.base import Space
from medclip_search.encoders.open_clip.agreement import UNMEASURED, Agreement
from medclip_search.encoders.open_clip.network import Layer
from medclip_search.encoders.open_clip.preprocess import Preprocessing
from medclip_search.encoders.open_clip.words import WordRules, Words, load_words
from medclip_search.errors import EncoderError, EncoderUnavailableError

FORMAT = 1
PAGE = "medclip_encoder.json"
TOKENIZER = "tokenizer.json"

Tower = Literal["image", "words"]
TOWERS: tuple[Tower, ...] = ("image", "words")

_NETWORKS = [f"{tower}{kind}.onnx" for tower in TOWERS for kind in ("", ".int8")]
NAMES = frozenset([PAGE, TOKENIZER, *_NETWORKS, *(f"{one}.data" for one in _NETWORKS)])
"""All that an exported model's folder can hold."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of the folder: bytes, and SHA-256 in hexadecimal."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> ExportedFile:
        """Raises ``OSError``."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.stat().st_size, digest)


@dataclass(frozen=True, slots=True)
class Description:
    """What ``medclip_encoder.json`` says.

    ``fingerprint`` is that of the weights and preprocessing it was exported from. ``padding`` is
    the token id that the words' network ignores, so that texts may be cut where only it follows;
    ``None`` where all tokens count. ``programs`` are the versions that exported
    it; ``float32`` and ``int8`` how well the networks agree with PyTorch.
    """

    name: str
    model: str
    fingerprint: str
    dimensions: Mapping[Layer, int]
    preprocessing: Preprocessing
    words: WordRules
    padding: int | None
    files: Mapping[str, ExportedFile]
    programs: Mapping[str, str]
    float32: Agreement = UNMEASURED
    int8: Agreement | None = None

    @property
    def spaces(self) -> tuple[Space, ...]:
        """``NAME`` for the joint layer, ``NAME-trunk`` for the trunk."""
        return tuple(
            Space(
                self.name if layer == "joint" else f"{self.name}-{layer}",
                dimension,
                embeds_words=layer == "joint",
            )
            for layer, dimension in self.dimensions.items()
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "spaces": [{"name": one.name, "dimension": one.dimension} for one in self.spaces],
            "dimensions": dict(self.dimensions),
            "preprocessing": self.preprocessing.to_json(),
            "words": self.words.to_json(),
            "padding": self.padding,
            "files": {name: asdict(file) for name, file in self.files.items()},
            "programs": dict(self.programs),
            "float32": asdict(self.float32),
            "int8": None if self.int8 is None else asdict(self.int8),
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Description:
        """What ``to_json`` gave. Raises ``KeyError``, ``TypeError``, ``ValueError`` or so."""
        dimensions = {layer: int(given["dimensions"][layer]) for layer in given["dimensions"]}
        if not {"joint"} <= dimensions.keys() <= {"joint", "trunk"}:
            raise ValueError(f"dimensions of {', '.join(dimensions)}")
        return cls(
            name=str(given["name"]),
            model=str(given["model"]),
            fingerprint=str(given["fingerprint"]),
            dimensions=cast(dict[Layer, int], dimensions),
            preprocessing=Preprocessing.from_config(given["preprocessing"]),
            words=WordRules.from_json(given["words"]),
            padding=given["padding"],
            files={name: ExportedFile(**file) for name, file in given["files"].items()},
            programs=given["programs"],
            float32=Agreement(**given["float32"]),
            int8=None if given["int8"] is None else Agreement(**given["int8"]),
        )


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A folder and its description, whose files are all there in their sizes."""

    folder: Path
    description: Description

    @property
    def has_int8(self) -> bool:
        return all(network_name(tower, int8=True) in self.description.files for tower in TOWERS)

    def checked(self, name: str) -> Path:
        """A file and what belongs to it, read and found whole. Raises ``EncoderError``."""
        for one in (name, f"{name}.data"):
            expected = self.description.files.get(one)
            if expected is None and one == name:
                raise EncoderUnavailableError(
                    f"{self.folder}: has no {name}; medclip-search encoder export --int8"
                )
            if expected is not None:
                self._check(one, expected)
        return self.folder / name

    def words(self) -> Words:
        """The model's tokenizer. Raises ``EncoderError``."""
        return load_words(self.checked(TOKENIZER), self.description.words)

    def _check(self, name: str, expected: ExportedFile) -> None:
        try:
            found = ExportedFile.of(self.folder / name)
        except OSError as error:
            raise _damaged(self.folder / name, str(error.strerror)) from error
        if found != expected:
            raise _damaged(self.folder / name, "its SHA-256 differs")


def is_exported(folder: Path) -> bool:
    """Whether ``export`` wrote this folder."""
    return (folder / PAGE).is_file()


def read_exported(folder: Path) -> ExportedModel:
    """The exported model in a folder; its files' sizes are checked, their content when used.

    Raises ``EncoderUnavailableError`` where there is none, ``EncoderError`` where it is damaged.
    """
    page = folder / PAGE
    try:
        given = json.loads(page.read_text(encoding="utf-8"))
        if given["format"] > FORMAT:
            raise EncoderError(
                f"{folder}: was exported by a newer medclip-search; upgrade this one, or export "
                "the model again"
            )
        description = Description.from_json(given)
    except FileNotFoundError as error:
        raise EncoderUnavailableError(
            f"{folder}: has no {PAGE}; medclip-search encoder export writes such a folder"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(page, f"it cannot be read: {error}") from error
    for name, expected in description.files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise _damaged(path, "it is missing")
        if path.stat().st_size != expected.size:
            raise _damaged(path, f"it has {path.stat().st_size} bytes instead of {expected.size}")
    return ExportedModel(folder, description)


def write_page(folder: Path, description: Description) -> None:
    """Describe the folder. Raises ``OSError``."""
    page = json.dumps(description.to_json(), indent=2, ensure_ascii=False)
    (folder / PAGE).write_text(page + "\n", encoding="utf-8")


def network_name(tower: Tower, *, int8: bool = False) -> str:
    """The file of a network."""
    return f"{tower}.int8.onnx" if int8 else f"{tower}.onnx"


def _damaged(path: Path, reason: str) -> EncoderError:
    return EncoderError(
        f"{path}: is damaged ({reason}); delete the folder and export the model again"
    )
