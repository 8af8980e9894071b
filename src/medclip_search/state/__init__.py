"""What users keep: trays, likes and dislikes, recent searches; outside the library."""

from medclip_search.state.history import PastSearch
from medclip_search.state.store import LOCAL_USER, Feedback, Judgement, State
from medclip_search.state.trays import DEFAULT_TRAY, TakenOut, TrayEntry

__all__ = [
    "DEFAULT_TRAY",
    "LOCAL_USER",
    "Feedback",
    "Judgement",
    "PastSearch",
    "State",
    "TakenOut",
    "TrayEntry",
]
