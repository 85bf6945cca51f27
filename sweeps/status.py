"""Where a study stands, for `sweeps status`: its ledger in a table, what went wrong, and what runs right now."""

from collections import Counter
from typing import Any

from rich.console import Console

from sweeps.plan import Plan
from sweeps.table import progress_table

SHOWN = 20
"""So many of the trials that run are shown; JSON has all."""


def facts(plan: Plan, now: dict[str, Any] | None) -> dict[str, Any]:
    """For a script; `now` is what `sweeps.activity` has of a run under way."""
    running = now["running"] if now and now["alive"] else []
    return {
        "study": plan.study.name,
        "finished": plan.finished,
        "planned": plan.planned,
        "done": len(plan.entries),
        "running": len(running),
        "restarts": sum(restarts(entry.provenance) for entry in plan.entries),
        "statuses": Counter(entry.status for entry in plan.entries),
        "now": now,
        "damaged": plan.ledger.damaged,
        "trials": [entry.model_dump(mode="json", exclude={"curve", "config"}) for entry in plan.entries],
    }


def restarts(provenance: dict[str, Any]) -> int:
    """How often a trial was started again: its worker was lost, or its memory too small."""
    return int(provenance.get("starts", 1)) - 1


def print_status(plan: Plan, now: dict[str, Any] | None, console: Console) -> None:
    """The same for a person."""
    known = facts(plan, now)
    running: Counter[tuple[str, int, str]] = Counter()
    if now and now["alive"]:
        running.update((one["dataset"], one["samples_per_class"], one["method"]) for one in now["running"])
    console.print(progress_table(plan, running if now and now["alive"] else None))
    left = known["planned"] - known["done"] - known["running"]
    counts = {"running": known["running"], "to go": left, "restarts of trials": known["restarts"]}
    more = "".join(f", {count} {what}" for what, count in counts.items() if count)
    console.print(f"{known['done']} of {known['planned']} trials done{more}.")
    for entry in plan.entries:
        again = (
            f"{entry.status} after {restarts(entry.provenance)} restarts: its worker was lost, or its memory too small"
        )
        for said in filter(None, (entry.error, entry.warning, again if restarts(entry.provenance) else "")):
            console.print(f"{entry.method}, seed {entry.seed}, {entry.phase} {entry.trial}: {said}", markup=False)
    for path in plan.ledger.damaged:
        console.print(f"damaged ledger file: {path}", markup=False)
    if now:
        print_activity(now, console)


def print_activity(now: dict[str, Any], console: Console) -> None:
    """The trials at work, and what happened to trials in this run."""
    driver = f"process {now['driver']['pid']} on {now['driver']['host']}"
    if now["alive"]:
        console.print(f"Driven by {driver}, {now['driver']['slots']} trials at a time:")
    else:
        console.print(f"Its driver, {driver}, has died; `sweeps run` goes on. When it was last heard of it had:")
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
