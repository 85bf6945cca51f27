"""Where a study stands, for `sweeps status`: its ledger in a table, what went wrong, and what runs right now."""

from collections import Counter
from typing import Any

from rich.console import Console

from sweeps.monitor.live_table import progress_table
from sweeps.planning.plan import Plan

SHOWN = 20
"""So many of the trials that run are shown; JSON has all."""


def facts(plan: Plan, now: dict[str, Any] | None) -> dict[str, Any]:
    """For a script; `now` is what `sweeps.monitor.activity` has of a run under way."""
    done = {entry.signature for entry in plan.entries}  # newer than the file
    if now:
        now = now | {"running": [one for one in now["running"] if one["signature"] not in done]}
    return {
        "study": plan.study.name,
        "finished": plan.finished,
        "planned": plan.planned,
        "done": len(plan.entries),
        "running": len(now["running"]) if now and now["alive"] else 0,
        "restarts": sum(restarts(entry.provenance) for entry in plan.entries),
        "statuses": Counter(entry.status for entry in plan.entries),
        "now": now,
        "damaged": plan.ledger.damaged,
        "trials": [entry.model_dump(mode="json", exclude={"curve", "config"}) for entry in plan.entries],
    }


def restarts(provenance: dict[str, Any]) -> int:
    """How often a trial was started again: its worker was lost, or its memory too small."""
    return int(provenance.get("starts", 1)) - 1


def counted(count: int, noun: str) -> str:
    """1 restart, 2 restarts."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def print_status(plan: Plan, now: dict[str, Any] | None, console: Console) -> None:
    """The same for a person."""
    known = facts(plan, now)
    now = known["now"]
    running: Counter[tuple[str, int, str]] | None = None
    if now and now["alive"]:
        running = Counter((one["dataset"], one["samples_per_class"], one["method"]) for one in now["running"])
    console.print(progress_table(plan, running))
    left = known["planned"] - known["done"] - known["running"]
    more = [f"{known['running']} running"] * bool(known["running"]) + [f"{left} to go"] * (left > 0)
    more += [counted(known["restarts"], "restart")] * bool(known["restarts"])
    console.print(", ".join([f"{known['done']} of {known['planned']} trials done", *more]) + ".")
    for entry in plan.entries:
        again = restarts(entry.provenance)
        why = f"{entry.status} after {counted(again, 'restart')}: its worker was lost, or its memory too small"
        for said in filter(None, (entry.error, entry.warning, why if again else "")):
            console.print(f"{entry.method}, seed {entry.seed}, {entry.phase} {entry.trial}: {said}", markup=False)
    for path in plan.ledger.damaged:
        console.print(f"damaged ledger file: {path}", markup=False)
    if now:
        print_activity(now, console)


def print_activity(now: dict[str, Any], console: Console) -> None:
    """The trials at work, and what happened to trials in this run."""
    driver = f"process {now['driver']['pid']} on {now['driver']['host']}"
    if now["alive"]:
        console.print(f"Driven by {driver}, {counted(now['driver']['slots'], 'trial')} at a time:")
    else:
        died = f"Its driver, {driver}, has died; `sweeps run` goes on."
        unknown = f"Whether its driver, {driver}, is still there is not to be seen from here."
        console.print(f"{unknown if now['alive'] is None else died} At {now['at']} it had:")
    for one in now["running"][:SHOWN]:
        console.print(f"  {one['name']}: {progress(one)}", markup=False)
    if len(now["running"]) > SHOWN:
        console.print(f"  … and {len(now['running']) - SHOWN} more, all in --json")
    for event in now["events"]:
        console.print(f"  {event}", markup=False)


def progress(one: dict[str, Any]) -> str:
    """How far a trial has come."""
    if "iteration" not in one:
        return "started"
    host = f", on {one['host']}" if "host" in one else ""
    return f"{one['stage']}, {one['iteration']} of {one['total']} iterations{host}"
