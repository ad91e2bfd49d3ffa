"""How events look: live on a terminal, plain lines elsewhere; always on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from hubops.errors import HubopsError
from hubops.events import CommandStarted, Emit, Event, Line, Remark, StepEnded, StepStarted
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
        with _live(mask) as emit:
            yield emit
        return

    def show(event: Event) -> None:
        text = _text(event, verbose=verbose)
        if text:
            print(mask(text), file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints

    yield show


def _text(event: Event, *, verbose: bool) -> str:
    match event:
        case StepStarted(title):
            return f"   {title} ..."
        case StepEnded(title, took_s, failed, note):
            mark = "!!" if failed else "ok"
            return f"{mark} {title}{f': {note}' if note else ''} ({took_s:.1f} s)"
        case CommandStarted(text):
            return f"$  {text}"
        case Remark(text):
            return f"!  {text}"
        case Line(text):
            return f"     {text}" if verbose else ""


@contextmanager
def _live(mask: Callable[[str], str]) -> Iterator[Emit]:
    from rich.console import Console  # noqa: PLC0415 - slow to import, needed on terminals only
    from rich.live import Live  # noqa: PLC0415
    from rich.spinner import Spinner  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415 - what programs print is no markup

    console = Console(stderr=True, highlight=False)
    running: list[str] = []
    spinner = Spinner("dots", "")
    with Live(spinner, console=console, transient=True, refresh_per_second=8) as live:

        def emit(event: Event) -> None:
            match event:
                case StepStarted(title):
                    running.append(title)
                case StepEnded(title):
                    running.remove(title)
                    live.console.print(mask(_text(event, verbose=False)), markup=False)
                case CommandStarted() | Remark():
                    live.console.print(
                        mask(_text(event, verbose=False)), markup=False, style="dim", soft_wrap=True
                    )
                case Line(text):
                    line = f"{running[-1] if running else ''}  {mask(text)}"
                    spinner.update(text=Text(line[: console.width - 4]))
                    return
            spinner.update(text=Text(running[-1] if running else ""))

        yield emit
