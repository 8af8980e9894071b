"""Which pictures are the same, on MedPix, and what folding them does to the answers.

    python -m benchmarks.duplicates [--library DIR] [--show FOLDER]

Positives are seeded changes of pictures (``benchmarks/changed_pictures.py``), as a library would
hold them: embedded by ``compact``, and as thumbnails. Negatives are all pairs of one teaching case
(often neighbouring slices, or a slice by several sequences) and the nearest pairs of different
ones, less the pairs that MedPix itself publishes twice (``PUBLISHED_TWICE``, found by looking).
Cases are halved: rivals get the threshold at which no pair of the first half is taken for the same
that is not; all are judged on the second half. Then the whole library is searched, with folding
and without. ``--show`` draws the pairs that are folded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from benchmarks.changed_pictures import CHANGES, changed
from benchmarks.medpix import LABELS, Figure, data_folder, depth, read_figures
from benchmarks.medpix_library import build_medpix
from medclip_search import Library, Query, encoders
from medclip_search.evaluation.intervals import bootstrap
from medclip_search.images import read_image
from medclip_search.images.sameness import SAME, Look, sameness
from medclip_search.images.thumbnails import make_thumbnail
from medclip_search.search.duplicates import ALIKE

PICTURES = 150
"""So many pictures of the second half are changed, each in every way."""

TIMED = 200

PUBLISHED_TWICE = frozenset(
    {
        ("MPX1124_synpic50747", "MPX1124_synpic50748"),
        ("MPX1164_synpic33082", "MPX1164_synpic33084"),
        ("MPX1202_synpic34354", "MPX1202_synpic34376"),
        ("MPX1333_synpic44967", "MPX1333_synpic44974"),
        ("MPX1384_synpic49844", "MPX1384_synpic49845"),
        ("MPX1574_synpic16361", "MPX1574_synpic16370"),
        ("MPX1601_synpic39460", "MPX2518_synpic39512"),
        ("MPX1601_synpic39466", "MPX2518_synpic39511"),
        ("MPX1675_synpic21667", "MPX1675_synpic21669"),
        ("MPX1677_synpic21841", "MPX1677_synpic21866"),
        ("MPX1677_synpic21845", "MPX1677_synpic22032"),
        ("MPX1781_synpic50581", "MPX1781_synpic50637"),
        ("MPX2033_synpic47286", "MPX2033_synpic47290"),
        ("MPX2094_synpic31715", "MPX2094_synpic31716"),
        ("MPX2336_synpic49839", "MPX2425_synpic50898"),
        ("MPX2501_synpic43625", "MPX2501_synpic43626"),
        ("MPX2501_synpic43627", "MPX2501_synpic43628"),
        ("MPX2562_synpic16800", "MPX2562_synpic16803"),
    }
)
"""The same picture by eye, of the 40 pairs nearest by cosine and the 24 most alike in detail."""


@dataclass(frozen=True)
class Picture:
    """A picture as a library holds it: the direction of its vector, and its thumbnail."""

    direction: NDArray[np.float64]
    thumbnail: Image.Image

    @property
    def look(self) -> Look:
        return Look(self.thumbnail)


@dataclass(frozen=True)
class Pair:
    """Two pictures; ``group`` is a case; ``same`` says which change made one of the other."""

    one: Picture
    other: Picture
    group: str
    same: str = ""
    cosine: float = 0.0


def _grey(picture: Picture, side: int) -> NDArray[np.float64]:
    small = picture.thumbnail.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float64)


def by_grey(pair: Pair) -> float:
    """The correlation of the pictures at 32 × 32."""
    a, b = _grey(pair.one, 32).ravel(), _grey(pair.other, 32).ravel()
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


def by_phash(pair: Pair) -> float:
    """The share of equal bits of the 64 of a perceptual hash (signs of low DCT frequencies)."""
    bits = []
    for one in (pair.one, pair.other):
        low = dctn(_grey(one, 32), norm="ortho")[:8, :8]
        bits.append(low > np.median(low))
    return float(np.mean(bits[0] == bits[1]))


def by_detail(pair: Pair) -> float:
    """What the search does: detail, of what the vectors propose."""
    return sameness(pair.one.look, pair.other.look) if pair.cosine >= ALIKE else -1.0


RIVALS: Mapping[str, Callable[[Pair], float]] = {
    "cosine of compact": lambda pair: pair.cosine,
    "perceptual hash": by_phash,
    "grey 32 × 32": by_grey,
}


class Held:
    """MedPix as the library holds it."""

    def __init__(self, library: Library, figures: Sequence[Figure]) -> None:
        self.figures = figures
        generation = library._generation
        self.index = generation.vectors["compact"]
        keys = generation.keys_of([one.id for one in figures])
        found = [self.index.vector(key) for key in keys if key is not None]
        rows = np.stack([row for row in found if row is not None])
        directions = self.index._cosine.directions(rows)
        self.pictures = [
            Picture(direction, _small(library.thumbnail(one.id) or b""))
            for direction, one in zip(directions, figures, strict=True)
        ]
        self.cosines = directions @ directions.T

    def negatives(self, cases: set[str]) -> list[Pair]:
        """Pairs of different pictures whose cases are both among these."""
        of_case = np.array([one.case for one in self.figures])
        inside = np.isin(of_case, list(cases))
        same_case = of_case[:, None] == of_case[None]
        near = (same_case | (self.cosines >= 0.6)) & inside[:, None] & inside[None]
        pairs = []
        for one, other in np.argwhere(np.triu(near, 1)).tolist():
            names = sorted((self.figures[one].id, self.figures[other].id))
            if (names[0], names[1]) in PUBLISHED_TWICE:
                continue
            a, b = self.pictures[one], self.pictures[other]
            pairs.append(Pair(a, b, of_case[one], "", float(self.cosines[one, other])))
        return pairs

    def positives(self, places: Sequence[int]) -> list[Pair]:
        """Changed copies of pictures, with the pictures."""
        encoder = encoders.load("compact")
        pairs = []
        for place in places:
            figure, picture = self.figures[place], self.pictures[place]
            original = read_image(figure.image).convert("RGB")
            copies = [changed(original, change, figure.id) for change in CHANGES]
            batch = np.stack([encoder.preprocess(one) for one in copies])
            rows = encoder.encode_images(batch)["compact"].astype(np.float16)
            for change, copy, row in zip(CHANGES, copies, rows, strict=True):
                direction = self.index._cosine.directions(row.astype(np.float64))
                other = Picture(direction, _small(make_thumbnail(copy)))
                cosine = float(direction @ picture.direction)
                pairs.append(Pair(picture, other, figure.case, change, cosine))
        return pairs


def _small(thumbnail: bytes) -> Image.Image:
    return Image.open(BytesIO(thumbnail)).convert("L")


def tell_apart(held: Held) -> bool:
    """Recall and false folds of each way on the second half; whether ours made none."""
    names = sorted({one.case for one in held.figures})
    order = np.random.default_rng(4).permutation(len(names))
    first = {names[at] for at in order[: len(names) // 2]}
    second = set(names) - first
    places = [at for at, one in enumerate(held.figures) if one.case in second]
    chosen = np.random.default_rng(5).permutation(places)[:PICTURES]
    positives = held.positives(chosen.tolist())
    tuning, judged = held.negatives(first), held.negatives(second)
    proposed = sum(pair.cosine >= ALIKE for pair in judged)
    print(
        f"{len(positives)} changed copies of {len(chosen)} pictures; {len(judged)} pairs that are"
    )
    print(
        f"not the same, {proposed} of them with a cosine of {ALIKE} or more (tuning: {len(tuning)})"
    )
    print(f"{'':22} at      false  recall                 " + " ".join(f"{c:>8}" for c in CHANGES))
    ways: dict[str, tuple[Callable[[Pair], float], float]] = {
        name: (way, np.nextafter(max(map(way, tuning)), 2)) for name, way in RIVALS.items()
    }
    false = 0
    for name, (way, least) in (ways | {"detail (default)": (by_detail, SAME)}).items():
        false = sum(way(pair) >= least for pair in judged)
        found = np.array([way(pair) >= least for pair in positives], np.float64)
        low, high = bootstrap(found, [pair.group for pair in positives])
        each = [
            np.mean([f for f, pair in zip(found, positives, strict=True) if pair.same == change])
            for change in CHANGES
        ]
        shares = " ".join(f"{share:8.3f}" for share in each)
        print(
            f"{name:22} {least:.4f} {false:5}   {found.mean():.3f} [{low:.3f}, {high:.3f}]  "
            + shares
        )
    hardest = [max(map(by_detail, each)) for each in (tuning, judged)]
    print(
        "most alike in detail and not the same: {:.3f} in one half, {:.3f}".format(*hardest), end=""
    )
    print(" in the other")
    return false == 0


def published_twice(held: Held, show: Path | None) -> bool:
    """The pairs of the whole library that are taken for the same, against those found by eye."""
    found = []
    for one, other in np.argwhere(np.triu(held.cosines >= ALIKE, 1)).tolist():
        a, b = held.pictures[one], held.pictures[other]
        if sameness(a.look, b.look) >= SAME:
            names = sorted((held.figures[one].id, held.figures[other].id))
            found.append((names[0], names[1]))
            if show:
                sheet = Image.new("L", (640, 320))
                sheet.paste(a.thumbnail, (0, 0))
                sheet.paste(b.thumbnail, (320, 0))
                show.mkdir(parents=True, exist_ok=True)
                sheet.save(show / f"{names[0]}-{names[1]}.png")
    true = PUBLISHED_TWICE.intersection(found)
    proposed = int(np.count_nonzero(np.triu(held.cosines >= ALIKE, 1)))
    print(
        f"in the library: {len(PUBLISHED_TWICE)} pairs published twice, {len(true)} found; of",
        end="",
    )
    print(f" {proposed} pairs proposed, {len(found) - len(true)} others are taken for the same")
    return len(true) == len(found)


def answers(library: Library, figures: Sequence[Figure]) -> bool:
    """P@10 of image to image, same case left out, with folding and without."""
    by_id = {one.id: one for one in figures}
    found: dict[bool, dict[str, list[float]]] = {}
    taken: dict[bool, list[float]] = {False: [], True: []}
    for fold in (False, True):
        found[fold] = {label: [] for label in LABELS}
        for query in figures:
            hits = library.search(Query(image=query.image, fold=fold), depth(figures))
            others = [by_id[one.id] for one in hits if by_id[one.id].case != query.case][:10]
            for label in LABELS:
                wanted = query.labels[label]
                found[fold][label].append(
                    sum(one.labels[label] == wanted for one in others) / 10 if wanted else np.nan
                )
    # Side by side, for other work on the machine comes and goes.
    for query in np.random.default_rng(7).permutation(np.array(figures, object))[:TIMED]:
        for fold in (False, True):
            started = time.process_time()
            library.search(Query(image=query.image, fold=fold), 10)
            taken[fold].append((time.process_time() - started) * 1000)
    harmless = True
    for label in LABELS:
        off, on = (np.array(found[fold][label]) for fold in (False, True))
        known = np.isfinite(off)
        groups = [one.case for one, has in zip(figures, known, strict=True) if has]
        low, high = bootstrap((on - off)[known], groups)
        print(
            f"P@10 {label:18} {off[known].mean():.4f} unfolded, {on[known].mean():.4f} folded: "
            f"{(on - off)[known].mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        )
        harmless &= high >= 0
    for fold, name in ((False, "unfolded"), (True, "folded")):
        p50, p95 = np.quantile(taken[fold], [0.5, 0.95])
        print(f"ten answers to an image, {name}: p50 {p50:.1f}, p95 {p95:.1f} ms of one processor")
    return harmless


def main() -> None:
    """Build, compare, search."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, help="where to build it; kept")
    parser.add_argument("--show", type=Path, help="where to draw the pairs that are folded")
    arguments = parser.parse_args()
    data = data_folder()
    figures = read_figures(data)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.library or Path(folder) / "medpix"
        build_medpix(path, data)
        with Library.open(path) as library:
            held = Held(library, figures)
            good = [tell_apart(held), published_twice(held, arguments.show)]
            good.append(answers(library, figures))
    raise SystemExit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
