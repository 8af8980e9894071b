"""What users keep: trays of favourites and their likes and dislikes, outside the library."""

from medclip_search.state.store import LOCAL_USER, Feedback, State
from medclip_search.state.trays import DEFAULT_TRAY, TrayEntry

__all__ = ["DEFAULT_TRAY", "LOCAL_USER", "Feedback", "State", "TrayEntry"]
