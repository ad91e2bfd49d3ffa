"""How events look: live on a terminal, plain lines elsewhere, folded in CI; always on standard error."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from hubops.cli.live import live, text_of
from hubops.errors import HubopsError
from hubops.events import Emit, Event, Output
from hubops.report.groups import find_forge, format_group
from hubops.secret import Redactor


@contextmanager
def progress(redactor: Redactor | None = None) -> Iterator[Emit]:
    """A sink for events; every text passes the redactor. Follows the option --verbose of the command line.

    An error that leaves the block is masked as well, whoever raised it, with those that caused it.
    """
    mask = (redactor or Redactor()).mask
    try:
        with _sink(mask) as emit:
            yield emit
    except Exception as error:
        _mask_error(error, mask)
        raise


def _mask_error(error: BaseException, mask: Callable[[str], str]) -> None:
    """What a message or a traceback would print of it; ends where causes end."""
    error.args = tuple(mask(each) if isinstance(each, str) else each for each in error.args)
    if isinstance(error, HubopsError):
        error.what, error.where = mask(error.what), mask(error.where)
        error.why, error.hint = mask(error.why), mask(error.hint)
    within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (*within, error.__cause__, error.__context__):
        if each:
            _mask_error(each, mask)


@contextmanager
def _sink(mask: Callable[[str], str]) -> Iterator[Emit]:
    verbose = bool(click.get_current_context().find_root().params.get("verbose"))
    if sys.stderr.isatty() and not verbose:
        with live(mask) as emit:
            yield emit
        return
    forge = None if verbose else find_forge(os.environ)
    began = time.time()

    def show(event: Event) -> None:
        text = text_of(event, verbose=verbose)
        if isinstance(event, Output) and forge:
            lines = Path(event.file).read_text(errors="replace").splitlines()
            text = "\n".join(format_group(forge, event.title, lines, began, time.time()))
        if text:
            print(mask(text), file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints

    yield show
