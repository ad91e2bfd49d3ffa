"""Hubs and their deploys as people read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hubops.report.model import SHOWN_COMMIT
from hubops.state.model import Ending, Record, Status


def format_status(statuses: Sequence[Status]) -> str:
    """Hub by hub: what runs, since when, proved when, by which commit, and what is held or failed."""
    return "\n".join(line for status in statuses for line in _status(status))


def status_data(status: Status) -> dict[str, Any]:
    """The same for programs."""
    history = status.history
    standing, failed = history.standing, history.open_failure
    return {
        "hub": status.hub,
        "cluster": status.cluster,
        "fault": status.fault,
        "live": vars(status.live) if status.live else None,
        "deployed": record_data(standing) if standing else None,
        "proved": record_data(history.last_proved) if history.last_proved else None,
        "failed": record_data(failed) if failed else None,
        "held": record_data(status.held) if status.held else None,
        "disabled": status.disabled,
    }


def record_data(record: Record) -> dict[str, Any]:
    """A record for programs; without values, which are long."""
    return {
        "deploy": record.number,
        "hub": record.hub,
        "ending": record.ending.value,
        "at": record.at,
        "ended_at": record.ended_at,
        "by": record.by,
        "commit": record.commit.hash,
        "dirty": record.commit.dirty,
        "chart": record.content.chart_name,
        "images": dict(record.content.images),
        "why": record.why,
        "override": record.override,
        "rollback_of": record.rollback_of,
    }


def format_history(records: Mapping[str, Sequence[Record]]) -> str:
    """One line an attempt, the newest first."""
    lines = [_attempt(record) for found in records.values() for record in reversed(found)]
    return "\n".join(lines) or "Nothing was deployed yet."


def _status(status: Status) -> list[str]:
    history, lines = status.history, [f"{status.hub} on {status.cluster}: {_live(status)}"]
    stopped = status.disabled and status.live and not status.live.pods
    if (standing := history.standing) and not stopped:
        unproved = "" if history.settled else f" ({_ending(standing)})"
        lines.append(f"  runs    deploy {standing.number}{unproved}, {_what(standing)}, since {standing.at}")
    if proved := history.last_proved:
        lines.append(f"  proved  deploy {proved.number}, at {proved.ended_at}")
    if failed := history.open_failure:
        word, now = ("held  ", "") if status.held else ("failed", "; not what the files here want")
        lines.append(f"  {word}  deploy {failed.number}, {_what(failed)}: {_first(failed.why)}{now}")
    return lines


def _live(status: Status) -> str:
    if status.live is None:
        return f"unknown: {status.fault}"
    if not status.live.pods:
        return f"disabled: {status.disabled}" if status.disabled else _without_pods(status)
    live, then = status.live, "; the next deploy disables it" if status.disabled else ""
    return f"{live.ready} of {live.pods} pods ready, {live.servers} people's servers{then}"


def _without_pods(status: Status) -> str:
    return "no pods" if status.history.standing else "not deployed"


def _what(record: Record) -> str:
    dirty = " and uncommitted changes" if record.commit.dirty else ""
    commit = f"commit {record.commit.hash[:SHOWN_COMMIT]}{dirty}" if record.commit.hash else "no commit"
    return f"{commit}, {record.content.chart_name}"


def _attempt(record: Record) -> str:
    notes = [f"rolls back deploy {record.rollback_of}"] if record.rollback_of else []
    notes += [f"without a proof: {record.override}"] if record.override else []
    notes += [_first(record.why)] if record.why else []
    told = f": {'; '.join(notes)}" if notes else ""
    return f"{record.at}  {record.hub} {record.number:4}  {_ending(record):10} {_what(record)}, by {record.by}{told}"


def _ending(record: Record) -> str:
    return record.ending.value if record.ending is not Ending.UNFINISHED else "unfinished or killed"


def _first(text: str) -> str:
    return text.partition("\n")[0]
