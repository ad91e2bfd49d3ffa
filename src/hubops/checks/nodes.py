"""Is it only a node that is missing? That is no fault of a release, and nothing is taken back for it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hubops.checks.judge import is_over, judge_pod, unscheduled
from hubops.checks.model import State
from hubops.errors import HubopsError, OutOfReachError

# The scheduler says of a volume that is missing, too, that no node is available.
_VOLUME = "persistentvolumeclaim"
# How helm ends when it waited in vain.
_LATE = re.compile("timed out waiting|context deadline exceeded")


def find_lack(pods: Iterable[Mapping[str, Any]]) -> str:
    """Why no node takes the pods that are not ready; "" when all are, or one waits for something else."""
    reasons = [
        unscheduled(pod) for pod in pods if not is_over(pod) and judge_pod(pod).state is not State.DONE
    ]
    return reasons[0] if reasons and all(is_lack(reason) for reason in reasons) else ""


def is_lack(reason: str) -> bool:
    """Whether it is nodes that the scheduler's message misses."""
    return bool(reason) and _VOLUME not in reason.lower()


def is_late(failure: HubopsError) -> bool:
    """Whether helm failed because it waited in vain."""
    return _LATE.search(failure.why) is not None


def no_node(what: str, *, where: str, why: str) -> OutOfReachError:
    return OutOfReachError(what, where=where, why=why, hint="Add a node or ask for less, then run again.")
