"""Short ways to write what was recorded of a hub."""

from typing import Any

from hubops.state.model import Commit, Content, Ending, History, Record

P, F, U, K = Ending.PROVED, Ending.FAILED, Ending.UNKNOWN, Ending.UNFINISHED  # K for killed
IMAGE = "r.example.org/course:c1@sha256:1"
AIDE = "r.example.org/aide:c7@sha256:7"


def content(key: str = "a", **changes: Any) -> Content:
    fields: dict[str, Any] = {"images": {"course": IMAGE}, "chart": "4.4.0", "chart_name": "jupyterhub 4.4.0"}
    return Content(**{"key": key, **fields, "shared": "s", "values": {}, **changes})


def record(number: int, ending: Ending, key: str = "a", **changes: Any) -> Record:
    """A record of the hub `staging`; `about` are changes of its content."""
    about = content(key, **changes.pop("about", {}))
    day = f"2026-03-0{number % 9 + 1}"
    times = {"at": f"{day}T10:00:00+00:00", "ended_at": "" if ending is K else f"{day}T10:01:00+00:00"}
    fields: dict[str, Any] = {"hub": "staging", **times, "by": "ci"}
    commit = Commit("c0ffee0000000000", "2026-03-01T09:00:00+00:00")
    return Record(
        **{
            "number": number,
            "ending": ending,
            **fields,
            "commit": commit,
            "content": about,
            "secrets": "x",
            **changes,
        }
    )


def history(*records: Record, hub: str = "staging") -> History:
    return History(hub, records)
