"""``python -m medclip_search``."""

from medclip_search.cli import main

main()
