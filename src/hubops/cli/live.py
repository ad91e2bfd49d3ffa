"""Events on a terminal: what is done stays, and below it what runs, each step with its latest line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hubops.events import CommandStarted, Emit, Event, Line, Output, Remark, StepEnded, StepStarted

_MOST = 8  # running steps that are shown


@contextmanager
def live(mask: Callable[[str], str]) -> Iterator[Emit]:
    """A sink that draws on standard error."""
    from rich.console import Console, Group  # noqa: PLC0415 - slow to import, needed on terminals only
    from rich.live import Live  # noqa: PLC0415 - as above
    from rich.spinner import Spinner  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - what programs print is no markup

    console = Console(stderr=True, highlight=False)
    running: dict[str, Spinner] = {}
    with Live(console=console, transient=True, refresh_per_second=8) as display:

        def draw() -> None:
            shown = list(running.values())[:_MOST]
            more = len(running) - len(shown)
            display.update(Group(*shown, *([Text(f"  and {more} more")] if more > 0 else [])))

        def say(title: str, line: str) -> None:
            if title in running:
                running[title].update(text=Text(mask(f"{title}  {line}")[: console.width - 4]))

        def emit(event: Event) -> None:
            match event:
                case StepStarted(title):
                    running[title] = Spinner("dots")
                    say(title, "")
                case StepEnded(title):
                    running.pop(title, None)
                    display.console.print(mask(text_of(event, verbose=False)), markup=False)
                case CommandStarted() | Remark():
                    text = mask(text_of(event, verbose=False))
                    display.console.print(text, markup=False, style="dim", soft_wrap=True)
                case Line(text, of):
                    say(of or next(reversed(running), ""), text)
            draw()

        yield emit


def text_of(event: Event, *, verbose: bool) -> str:
    """An event as a line; "" for one that is not shown."""
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
        case Line(text, of):
            return f"     {f'{of}: ' if of else ''}{text}" if verbose else ""
        case Output():
            return ""
