"""The report as a whole: docs/report.md, the short form for a model card, and the agreed measure.

`report` is the JSON that `python -m train report` writes.
"""

from __future__ import annotations

from typing import Any

from train.report.accuracy_tables import groups_table, labels_table, table
from train.report.systems import EMITTED, ENSEMBLE
from train.report.tables import bar_text, bars_list, joined, percent, rows_of

WEAK = 0.5  # recall of a label below which the card names it
Report = dict[str, Any]


def is_report(metrics: dict[str, Any]) -> bool:
    """Whether metrics are a report's, rather than those of `python -m train evaluate`."""
    return metrics.get("measures") == "report"


def section(report: Report, name: str) -> dict[str, Any]:
    """The figures of a section; empty where it was not measured or was left out."""
    found = dict(report["sections"].get(name, {}).get("figures", {}))
    return {} if "left_out" in found else found


def agreed(report: Report) -> dict[str, Any]:
    """The agreed measure of what is emitted, and of the argmax beside it; a mean that is missing is None."""
    means = section(report, "accuracy").get("means", {})
    names = ("in_corpus", "sealed", "agreed")
    return {title: {name: means.get(system, {}).get(name) for name in names} for title, system in TITLES.items()}


TITLES = {"emitted": EMITTED, "argmax": ENSEMBLE}


def last_line(report: Report) -> dict[str, Any]:
    """What the command prints last; says so where a half is missing."""
    found = agreed(report)
    told = {"agreed_measure": found["emitted"]["agreed"], **found, "fusion": report["graph"]["fusion"]}
    if found["emitted"]["in_corpus"] is None:
        return {**told, "note": "accuracy was not measured"}
    if found["emitted"]["sealed"] is None:
        return {**told, "note": "the in-corpus half only: sealed corpora were not opened (--sealed)"}
    return told


def bars(report: Report) -> dict[str, dict[str, Any]]:
    """The bars of all sections, by section and name."""
    found = {}
    for name in report["sections"]:
        for title, entry in section(report, name).get("bars", {}).items():
            direction = {"at_most": True} if (name, title) == ("meetings", "emotional") else {}
            found[f"{name}: {title}"] = {**entry, **direction}
    nonspeech = section(report, "nonspeech")
    if nonspeech and nonspeech["all"]["uncertain"] is not None:
        value = nonspeech["all"]["uncertain"]
        found["nonspeech: `uncertain`"] = {"value": value, "bar": 0.5, "met": nonspeech["all"]["passed"]}
    return found


def passes(report: Report) -> list[str]:
    """How many of ser-tests' tests are passed, a line a kind."""
    lines = []
    effects = section(report, "robustness").get("effects", {})
    for kind in dict.fromkeys(found["kind"] for found in effects.values()):
        chosen = {name: found for name, found in effects.items() if found["kind"] == kind}
        failed = [f"{name} ({found['unchanged']:.2f})" for name, found in chosen.items() if not found["passed"]]
        lines.append(_passed(f"robustness, {kind}", len(chosen), failed, 0))
    fairness = section(report, "fairness")
    for what in ("sex", "pitch", "language"):
        tests = fairness.get(what, {}).get("tests", [])
        failed = [
            f"{test['group']}, {test['measure']} {test['label']} ({test['difference']:+.2f})".replace("  (", " (")
            for test in tests
            if test["passed"] is False
        ]
        if tests:
            unknown = sum(test["passed"] is None for test in tests)
            lines.append(_passed(f"fairness, by {what}", len(tests) - unknown, failed, unknown))
    return lines


def _passed(name: str, count: int, failed: list[str], unknown: int) -> str:
    told = f"* {name}: {count - len(failed)} of {count} passed"
    told += f"; {unknown} rest on too few clips" if unknown else ""
    return told + (f"; failed: {', '.join(failed)}." if failed else ".")


def measure_text(report: Report) -> str:
    """The agreed measure in a sentence; empty without accuracy."""
    found = agreed(report)
    if found["emitted"]["in_corpus"] is None:
        return ""
    words = []
    for title, means in found.items():
        told = f"{means['in_corpus']:.3f} trained on"
        if means["sealed"] is not None:
            told = f"**{means['agreed']:.3f}** ({told}, {means['sealed']:.3f} never trained on)"
        words.append(f"{title} {told}")
    half = "" if found["emitted"]["sealed"] is not None else " Corpora never trained on were left closed: half of it only."
    return (
        "Agreed measure: the mean of macro-F1 over four corpora trained on, on unseen speakers, and of 4-class UAR over four never "
        f"trained on; `uncertain` is wrong in what is emitted: {'; '.join(words)}.{half}"
    )


def document(report: Report) -> str:
    """docs/report.md."""
    machine, graph = report["machine"], report["graph"]
    missed = {name: found for name, found in bars(report).items() if not found["met"]}
    rows = [
        [name, entry["date"], entry["commit"], "opened" if entry["sealed"] else "", f"{entry['seconds']} s"]
        for name, entry in report["sections"].items()
    ]
    head = [
        "# The report",
        f"Written by `python -m train report`. Fusion graph {graph['fusion']} "
        f"({', '.join(graph['members'])}), commit {report['commit']}, {machine['date']}, on {machine['processor']} "
        f"({machine['cores']} cores), onnxruntime {machine['onnxruntime']}.",
        measure_text(report),
        "## Bars",
        rows_of(["bar", "value", ""], [[name, *_cells(found)] for name, found in bars(report).items()]) if bars(report) else "",
        f"{len(missed)} of {len(bars(report))} are missed." if missed else "",
        "\n".join(passes(report)),
        "## Sections",
    ]
    sections = [entry["markdown"].strip() for entry in report["sections"].values()]
    when = rows_of(["section", "measured", "commit", "sealed corpora", "took"], rows) if rows else "Nothing was measured yet."
    return joined([*head, *sections, "## When", when])


def _cells(found: dict[str, Any]) -> list[str]:
    words, _, met = bar_text(found).rpartition(": ")
    return [words, met]


def card_section(figures: Report) -> str:
    """The figures in a model card: the agreed measure, scores by corpus, label and sex, the tests, calibration, and what fails.

    Args:
        figures: the JSON that `python -m train report` writes.
    """
    accuracy = section(figures, "accuracy")
    date = max((entry["date"][:10] for entry in figures["sections"].values()), default="")
    parts = [measure_text(figures)]
    if accuracy:
        parts += [
            "Macro-F1 on test speakers of the corpora trained on, 4-class UAR on corpora never trained on; 95 % intervals over "
            "speakers (t: of fewer than 15).",
            table(accuracy, [EMITTED, ENSEMBLE, *accuracy["baselines"], "chance"]),
            "**Per class**: recall as emitted, and what a missed clip is mostly taken for.",
            labels_table(accuracy["labels"]),
            "**Per group**, where the corpus tells the sex:",
            groups_table(accuracy["groups"]),
        ]
    if passes(figures):
        parts += ["**Robustness and fairness**, by the tests and limits of audEERING's ser-tests:", "\n".join(passes(figures))]
    parts += [calibration_text(section(figures, "calibration"))]
    if failures(figures):
        parts += ["**What misses its bar, and weak labels**", "\n".join(failures(figures))]
    parts += [f"`python -m train report`, {date}, fusion graph {figures['graph']['fusion']}; all of it is in docs/report.md."]
    return joined(parts).strip()


def calibration_text(found: dict[str, Any]) -> str:
    """Calibration in a few sentences; empty where it was not measured."""
    if not found:
        return ""
    told = f"**Calibration**: expected calibration error {found['unseen']['error']:.3f} on unseen speakers"
    if "sealed" in found:
        told += f", {found['sealed']['error']:.3f} on corpora never trained on"
    curve = found["unseen"]["coverage"]
    told += f". Of the surest 70 % of clips macro-F1 is {curve['0.7']['macro_f1']:.3f}, of all {curve['1']['macro_f1']:.3f}; "
    told += f"{percent(found['unseen']['uncertain'])} of clips of unseen speakers are `uncertain`"
    return told + (f", {percent(found['sealed']['uncertain'])} of those never trained on." if "sealed" in found else ".")


def failures(report: Report) -> list[str]:
    """A line for every bar that is missed, and for every corpus with weak labels."""
    missed = {name: found for name, found in bars(report).items() if not found["met"]}
    lines = bars_list(missed).splitlines()
    for corpus, labels in section(report, "accuracy").get("labels", {}).items():
        weak = [
            f"{label} ({percent(found['recall'])} right, mostly taken for {found['taken_for']})"
            for label, found in labels.items()
            if found["recall"] < WEAK
        ]
        if weak:
            lines.append(f"* {corpus}: {', '.join(weak)}.")
    return lines


def summary(report: Report) -> dict[str, Any]:
    """What of a report goes into pack.json: the agreed measure, scores by corpus, the bars."""
    corpora = section(report, "accuracy").get("corpora", {})
    return {
        "measures": "report",
        "fusion": report["graph"]["fusion"],
        "commit": report["commit"],
        "agreed": agreed(report),
        "corpora": {corpus: found["systems"][EMITTED] for corpus, found in corpora.items()},
        "bars": bars(report),
    }
