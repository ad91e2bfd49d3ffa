"""A repository of Helm charts, asked for the versions it has."""

from typing import Any

import httpx2
import yaml

from hubops.answer import Absent, Answer, Present, Unknown

_TIMEOUT_S = 30
_CONNECT_TIMEOUT_S = 5


async def find_versions(address: str, chart: str, timeout_s: float = _TIMEOUT_S) -> Answer[list[str]]:
    """The versions of a chart in the repository's index.yaml, in its order; Absent where it has no such chart."""
    timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
    try:
        async with httpx2.AsyncClient(timeout=timeout, follow_redirects=True) as client:
            answer = await client.get(f"{address.rstrip('/')}/index.yaml")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Unknown(f"{address}: {error or type(error).__name__}")
    if answer.status_code != httpx2.codes.OK:
        return Unknown(f"{address} answers HTTP {answer.status_code}")
    try:
        found = _versions(yaml.load(answer.content, yaml.CSafeLoader), chart)
    except (yaml.YAMLError, UnicodeError, AttributeError, TypeError, KeyError) as error:
        return Unknown(f"what {address} has is no index of charts: {type(error).__name__}")
    return Present(found) if found else Absent()


def _versions(index: Any, chart: str) -> list[str]:
    return [str(each["version"]) for each in (index["entries"].get(chart) or [])]
