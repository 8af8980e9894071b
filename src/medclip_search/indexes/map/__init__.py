"""The map of an embedding space: every case at a place in the plane, near what it is like."""

from medclip_search.indexes.map.building import LEAST, SAMPLE, build_map
from medclip_search.indexes.map.index import Area, MapIndex

__all__ = ["LEAST", "SAMPLE", "Area", "MapIndex", "build_map"]
