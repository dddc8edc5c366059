"""How the visits of a run ended, as text and as JSON."""

from collections.abc import Mapping
from typing import Any

from tallymark_load.scenarios.kinds import KINDS
from tallymark_load.scenarios.visit import VisitBook

__all__ = ["visits_json", "visits_text"]


def visits_text(book: VisitBook) -> str:
    """Return a line for each kind of visit and ending; what should not have been has a mark."""
    width = max((len(kind) for kind in book.endings), default=0)
    lines = ["Visits"]
    for kind, endings in sorted(book.endings.items()):
        for ending, count in endings.most_common():
            mark = "  UNEXPECTED" if (kind, ending) in book.unexpected else ""
            lines.append(f"  {kind:{width}}  {count:>8,}  {ending}{mark}")
    if book.waited_for_customer:
        lines.append(
            f"  {book.waited_for_customer:,} began late, because every customer was on another"
            " visit: prepare more customers."
        )
    return "\n".join(lines)


def visits_json(book: VisitBook) -> Mapping[str, Any]:
    """Return the same as a value of JSON."""
    return {
        "visits": book.visits,
        "unexpected": book.unexpected.total(),
        "waited_for_customer": book.waited_for_customer,
        "kinds": {
            kind: {"expected": KINDS[kind].expected, "endings": dict(endings)}
            for kind, endings in sorted(book.endings.items())
        },
    }
