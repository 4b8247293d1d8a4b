"""What people read: speed, scores, and both in one picture."""

from __future__ import annotations

from typing import Any

SYSTEM = 30  # characters of a name


def speed_table(speed: dict[str, Any]) -> None:
    """A line for everyone."""
    head = f"{'':<{SYSTEM}}{'steps':>6}{'core ms a step: median':>24}{'p95':>8}{'wall: median':>14}{'p95':>8}"
    print(f"\n{head}{'core s a second':>17}{'Gop a second':>14}")
    for name, row in speed.items():
        operations = row["operations_a_second"]
        gop = "not counted" if operations is None else f"{operations / 1e9:.1f}"
        cpu, wall = row["cpu_ms"], row["wall_ms"]
        print(
            f"{name:<{SYSTEM}}{cpu['count']:>6}{cpu['median']:>24.1f}{cpu['p95']:>8.1f}{wall['median']:>14.1f}{wall['p95']:>8.1f}"
            f"{row['cpu_seconds_a_second']:>17.3f}{gop:>14}"
        )
    print("Gop a second by network")
    for name, row in speed.items():
        parts = sorted((row["operations_by_network"] or {}).items(), key=lambda part: -part[1])
        if len(parts) > 1:
            print(f"  {name}: " + ", ".join(f"{part} {operations / 1e9:.2f}" for part, operations in parts))


def score_table(scores: dict[str, Any]) -> None:
    """A line for everyone in each reading, and how much streamser is ahead."""
    print(f"\n{scores['clips']} test clips of {scores['speakers']} unseen speakers; means over corpora, 95 % over speakers")
    for reading in ("uncertain is wrong", "likeliest"):
        found = scores[reading]
        print(f"{reading:<{SYSTEM}}{'macro-F1':>26}{'UAR':>26}{'undecided':>11}")
        for name, row in found["systems"].items():
            cells = "".join(f"{_cell(row[score], 'after'):>26}" for score in ("macro_f1", "uar"))
            print(f"  {name:<{SYSTEM - 2}}{cells}{row['undecided']:>11}")
        for name, row in found["ahead_of_today"].items():
            cells = "".join(f"{_cell(row[score], 'difference'):>26}" for score in ("macro_f1", "uar"))
            print(f"  {name + ' - (a)':<{SYSTEM - 2}}{cells}")


def draw(speed: dict[str, Any], scores: dict[str, Any] | None, path: str) -> None:
    """Seconds of a core for a second of speech; beside them macro-F1 where there is one."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(speed)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.5), sharey=True, layout="constrained")
    left.barh(names, [speed[name]["cpu_seconds_a_second"] for name in names])
    left.set(xscale="log", xlabel="seconds of a core for a second of speech")
    systems = scores["uncertain is wrong"]["systems"] if scores else {}
    for name in names:
        row = next((row for system, row in systems.items() if system.startswith(name)), None)
        if row:
            score = row["macro_f1"]
            reach = [[max(0.0, score["after"] - score["low"])], [max(0.0, score["high"] - score["after"])]]
            right.errorbar(score["after"], name, xerr=reach, fmt="o", capsize=3, color="C0")
    right.set(xlabel="macro-F1 (uncertain is wrong)")
    left.invert_yaxis()
    figure.savefig(path, dpi=120)


def _cell(row: dict[str, float], key: str) -> str:
    sign = "+" if key == "difference" else ""
    return f"{row[key]:{sign}.3f} [{row['low']:{sign}.3f}, {row['high']:{sign}.3f}]"
