"""Words that say nothing of a subject: by them alone no case matches."""

from __future__ import annotations

from functools import cache

from medclip_search.indexes.text.analyser import terms

FUNCTION_WORDS = """
a about after against all also an and are as at be been before behind below between both but by
can did do does due each either for from had has have her here his how if in into is it its may
more most near no nor not of off on one only onto or other our out over per same seen several
she should show showing shown shows since so some such than that the their them then there
these they this those through to two under until up upon very was we were what when where which
while who with within without you
"""
"""Words that say nothing of a subject, and so nothing for or against a case."""


@cache
def silent() -> frozenset[str]:
    """Their terms."""
    return frozenset(terms(FUNCTION_WORDS))
