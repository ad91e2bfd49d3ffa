"""What a rehearsal found. People are counted; they and their claims are named where only who asked reads it."""

from collections.abc import Iterator
from typing import Any

from hubops.plan.rehearsal_model import Comparison, Moved, Rehearsed


def format_rehearsal(found: Rehearsed, *, names: bool) -> str:
    """A few lines; with `names` each home that moves and each person who is kept out, a line each."""
    return "\n".join(_lines(found, names=names))


def rehearsal_data(found: Rehearsed, *, names: bool) -> dict[str, Any]:
    """The same for programs."""
    comparison, measured = found.comparison, found.measured
    before, after = comparison.before, comparison.after
    data = {
        "hub": found.hub,
        "chart": found.chart,
        "jupyterhub": [before.jupyterhub, after.jupyterhub],
        "spawner": [before.spawner, after.spawner],
        "database": {
            "revisions": list(after.revisions),
            "upgraded_s": round(after.upgraded_s, 2),
            "answers_s": measured.answers_s,
        },
        "people": len(before.people),
        "homes": {
            "total": comparison.homes,
            "moved": len(comparison.moved),
            "unclear": sum(comparison.unclear.values()),
            "hook": after.hook,
        },
        "login": {
            "locked_out": len(comparison.locked_out),
            "undecided": comparison.undecided,
            "demoted": len(comparison.demoted),
            "logged_in": measured.logged_in,
        },
        "server_s": measured.server_s,
        "findings": [{"what": each.what, "hint": each.hint} for each in found.findings],
    }
    if not names:
        return data
    listed = {
        "moved": [vars(each) for each in comparison.moved],
        "locked_out": list(comparison.locked_out),
        "demoted": list(comparison.demoted),
    }
    return {**data, "names": listed}


def _lines(found: Rehearsed, *, names: bool) -> Iterator[str]:
    comparison, after = found.comparison, found.comparison.after
    yield f"{found.hub} with {found.chart}: JupyterHub {after.jupyterhub}, {after.spawner}"
    yield f"  database  {_database(found)}"
    yield f"  homes     {_homes(comparison)}"
    if names:
        yield from (f"            {_moved(each)}" for each in comparison.moved)
    yield f"  login     {_login(found)}"
    if names:
        yield from (f"            {name} could not log in" for name in comparison.locked_out)
        yield from (f"            {name} would be no admin" for name in comparison.demoted)
    if found.measured.server_s:
        yield f"  server    a probe person got one in {found.measured.server_s:.1f} s and ran the proof"
    if not found.findings:
        yield "  nothing would be worse than today"


def _database(found: Rehearsed) -> str:
    before, after = found.comparison.after.revisions
    schema = (
        "needs no upgrade" if before == after else f"upgraded in {found.comparison.after.upgraded_s:.1f} s"
    )
    waits = f"{found.measured.answers_s:.0f} s without a hub, while servers that run go on"
    return f"{schema}; {waits}"


def _homes(comparison: Comparison) -> str:
    moved, unclear = (
        len({(each.person, each.server) for each in comparison.moved}),
        sum(comparison.unclear.values()),
    )
    text = f"{comparison.homes - moved} of {comparison.homes} stay where they are"
    text += f", {moved} would be others" if moved else ""
    text += f", of {unclear} servers nobody knows" if unclear else ""
    return text + ("; what pre_spawn_hook does is not seen" if comparison.after.hook else "")


def _login(found: Rehearsed) -> str:
    comparison = found.comparison
    people = len(comparison.before.people)
    text = f"{people - len(comparison.locked_out) - comparison.undecided} of {people} people may log in"
    text += f", {len(comparison.locked_out)} are kept out" if comparison.locked_out else ""
    text += f", of {comparison.undecided} only the provider knows" if comparison.undecided else ""
    text += f", {len(comparison.demoted)} would be no admin" if comparison.demoted else ""
    return text + ("; one did by the form" if found.measured.logged_in else "")


def _moved(each: Moved) -> str:
    server = f" (server {each.server})" if each.server else ""
    return f"{each.before} → {each.after or 'nothing'}{server}"
