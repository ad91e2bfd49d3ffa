"""One number for a run of many things: 0 done, 1 failed, 20 refused, 30 rolled back."""

from collections.abc import Iterable

from hubops.report.model import Outcome, Result

_CODES = {Result.FAILED: 1, Result.UNKNOWN: 1, Result.ROLLED_BACK: 30, Result.REFUSED: 20}


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """The code of the worst that this run did: failed or unknown, else rolled back, else refused, else 0.

    What is held, waits for its proof, or was not done is told with a warning only: content that an earlier
    run held must not turn every later, unrelated merge red.
    """
    results = {outcome.result for outcome in outcomes}
    return next((code for result, code in _CODES.items() if result in results), 0)
