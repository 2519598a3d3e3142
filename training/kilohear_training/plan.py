"""The table of a plan: the runs of a study, what is done, what the rest will cost."""

from __future__ import annotations

from collections import Counter, defaultdict

from rich.box import SIMPLE_HEAD
from rich.table import Table

from kilohear_training.cost import Costs
from kilohear_training.study import Plan


def plan_table(name: str, plan: Plan, jobs: int) -> Table:
    """Return the runs by data set, network, rate and teacher, with the time they will take."""
    costs = Costs()
    waiting = {fit.name for fit in plan.waiting}
    groups: Counter[tuple[str, ...]] = Counter()
    finished: Counter[tuple[str, ...]] = Counter()
    minutes: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for fit in plan.fits:
        taught = "labels" if not fit.teachers else fit.teachers[0].network
        rate = f"{fit.front_end.rate_hz:,}"
        key = (fit.dataset, fit.network, rate, taught, str(fit.epochs))
        groups[key] += 1
        if fit.name in waiting:
            minutes[key] += costs.seconds(fit) / 60
        else:
            finished[key] += 1
    table = Table(
        title=f"{name}: {len(plan.waiting)} of {len(plan.fits)} runs to do, "
        f"{len(plan.untested)} of {len(plan.experiments)} results to come",
        caption="Minutes are modelled: steps x one step timed on this machine, on one thread.",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for column in ("data set", "network", "Hz", "taught by", "epochs"):
        right = column in ("Hz", "epochs")
        table.add_column(column, no_wrap=True, justify="right" if right else "left")
    for column in ("runs", "done", "minutes"):
        table.add_column(column, no_wrap=True, justify="right")
    for key, runs in groups.items():
        table.add_row(*key, str(runs), str(finished[key]), f"{minutes[key]:,.0f}")
    total = sum(minutes.values())
    table.add_section()
    done = len(plan.fits) - len(plan.waiting)
    table.add_row("all", "", "", "", "", str(len(plan.fits)), str(done), f"{total:,.0f}")
    table.add_row(f"on {jobs} cores", "", "", "", "", "", "", f"{total / jobs:,.0f}")
    return table
