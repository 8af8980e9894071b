"""Settings of a search beside a baseline on the same queries: means, and paired differences."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from medclip_search.evaluation import Scores, difference


def data_folder(name: str) -> Path:
    """A data set below ``MEDCLIP_TEST_DATA`` (default: ``../shared/data``); exits where absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MEDCLIP_TEST_DATA", default)) / name
    if not folder.is_dir():
        raise SystemExit(f"no data at {folder}; set MEDCLIP_TEST_DATA")
    return folder


def print_settings(title: str, scores: Mapping[str, Scores], measures: Sequence[str]) -> None:
    """A table of settings by measures, each with its interval; the first is the baseline."""
    baseline, *others = scores
    print(f"\n{title} ({len(scores[baseline].queries)} queries)")
    for measure in measures:
        print(f"  {measure}")
        for name, each in scores.items():
            low, high = each.intervals()[measure]
            line = f"    {name:28} {each.means()[measure]:.4f} [{low:.4f}, {high:.4f}]"
            if name in others:
                found = difference(each, scores[baseline], measure)
                line += f"   {found}; {found.better} better, {found.worse} worse"
            print(line)
