"""Which images what was recorded of a hub keeps: what it has, what it can go back to, what is held or under way."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from hubops.state.image_model import Need
from hubops.state.model import Ending, History, Record


def recorded_needs(history: History, now: datetime, horizon: timedelta) -> Iterator[Need]:
    """Every image of every record that may still be run; proved releases for `horizon` after they were replaced."""
    for record in history.records:
        if why := _why(record, history, now, horizon):
            for image in record.content.images.values():
                yield Need(image, f"deploy {record.number} of {history.hub}: {why}")


def _why(record: Record, history: History, now: datetime, horizon: timedelta) -> str:
    """Why the images of a record are kept; "" when they are not."""
    if record == history.standing:
        return "stands"
    if record == history.latest or record.ending is Ending.UNFINISHED:
        return "under way"
    if record.kept or record in (history.last_proved, history.restorable):
        return "can be brought back"
    if history.held(record.content.key):
        return "held"
    if record.ending is Ending.PROVED and now - history.replaced_at(record) <= horizon:
        return "proved"
    return ""
