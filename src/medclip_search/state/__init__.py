"""What users keep: trays of favourites and their likes and dislikes, outside the library."""

from medclip_search.state.store import LOCAL_USER, Feedback, State, TrayEntry

__all__ = ["LOCAL_USER", "Feedback", "State", "TrayEntry"]
