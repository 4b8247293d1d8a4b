"""The report and the model card made of its figures."""

import json

import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from export import pack
from train.collection import Collection
from train.corpora import EVALUATION_CORPORA, TRAINING_CORPORA
from train.features import sealed_collection
from train.report import accuracy, calibration, card, command

EFFECTS = {
    "gain": {"kind": "small", "unchanged": 1.0, "passed": True},
    "cough 10 dB": {"kind": "background", "unchanged": 0.7, "passed": False},
}
SEX = [
    {"group": "female", "measure": "UAR", "label": "", "difference": -0.12, "passed": False},
    {"group": "male", "measure": "recall of a label", "label": "fear", "difference": 0.0, "passed": None},
]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """As `save` writes it: accuracy and calibration of made-up corpora, the tests' outcomes by hand."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FOLDS", "FOLD_BASELINES"):
            patch.setattr(accuracy, name, folder / name)
        parts = [
            made_up_inputs(Collection(corpus, split), clips=3, noise=2.2)
            for corpus in TRAINING_CORPORA
            for split in ("validation", "test")
        ]
        parts += [made_up_inputs(sealed_collection(corpus), speakers=("a",), clips=3, noise=2.2) for corpus in EVALUATION_CORPORA]
        context = made_up_context(write_graph(folder, members=["one", "two"]), patch, *parts)
        found = command.opened(folder / "report.json", context)
        for name, module, more in (("accuracy", accuracy, {"baselines": ()}), ("calibration", calibration, {})):
            figures = module.figures(context, sealed=EVALUATION_CORPORA, **more)
            found["sections"][name] = entry(figures, module.markdown(figures))
    found["sections"]["robustness"] = entry({"effects": EFFECTS}, "### Robustness\n")
    found["sections"]["fairness"] = entry({"sex": {"tests": SEX}}, "### Fairness\n")
    found["sections"]["meetings"] = entry({"left_out": "only a graph was given"}, "### Meetings\n\nLeft out.\n")
    nothing = {"all": {"uncertain": 0.3, "passed": False}}
    found["sections"]["nonspeech"] = entry(nothing, "### No speech\n")
    command.save(folder / "report", found)
    return folder


def entry(figures, markdown):
    told = {"sealed": True, "seeds": [], "date": "2026-11-23T00:00:00+00:00", "commit": "abc1234", "seconds": 3}
    return {**told, "figures": command.plain(figures), "markdown": markdown}


def read(report):
    return json.loads((report / "report.json").read_text())


def test_the_card_names_what_fails(report):
    text = card.card_section(read(report))
    assert "robustness, background: 0 of 1 passed; failed: cough 10 dB (0.70)." in text
    assert "robustness, small: 1 of 1 passed." in text
    assert "fairness, by sex: 0 of 1 passed; 1 rest on too few clips; failed: female, UAR (-0.12)." in text
    assert "nonspeech: `uncertain`: 0.300, at least 0.5: **missed**" in text
    assert "ensemble over the member best on validation, mean" in text  # the toy's is no better
    assert "expected calibration error" in text
    assert "| ased" in text
    weak = [
        f"* {corpus}: "
        for corpus, labels in read(report)["sections"]["accuracy"]["figures"]["labels"].items()
        if any(found["recall"] < card.WEAK for found in labels.values())
    ]
    assert weak
    assert all(line in text for line in weak)


def test_the_report_holds_the_measure_all_bars_and_every_section(report):
    text = (report / "report.md").read_text()
    told = read(report)
    assert f"emitted **{told['agreed']['emitted']['agreed']:.3f}**" in text
    assert all(f"| {name} |" in text for name in card.bars(told))
    missed = sum(not found["met"] for found in card.bars(told).values())
    assert f"{missed} of {len(card.bars(told))} are missed." in text
    places = [text.index(heading) for heading in ("### Accuracy", "### Calibration", "### Meetings", "### Robustness")]
    assert places == sorted(places)


def test_a_pack_takes_a_report_as_its_metrics(report):
    metrics = pack.read_metrics(report / "report.json")
    assert pack.figures_table(metrics, pack.MEASURES) == card.card_section(metrics)
    kept = card.summary(metrics)
    assert kept["agreed"]["emitted"]["agreed"] == pytest.approx(read(report)["agreed"]["emitted"]["agreed"])
    assert set(kept["corpora"]) == {*TRAINING_CORPORA, *EVALUATION_CORPORA}
    assert "markdown" not in json.dumps(kept)


def test_what_evaluate_prints_is_still_taken(tmp_path):
    file = tmp_path / "evaluation.txt"
    score = {"score": 0.5, "low": 0.4, "high": 0.6}
    file.write_text("a table\n" + json.dumps({"figures": {"nemo": {"ensemble": score}}, "means": {}}) + "\n")
    assert "| nemo | 0.500 [0.400, 0.600] |" in pack.figures_table(pack.read_metrics(file), "Measures.")


def test_a_card_of_little_says_so(report):
    told = read(report)
    told["sections"] = {"meetings": told["sections"]["meetings"]}
    assert card.bars(told) == {}
    assert card.last_line(told)["note"] == "accuracy was not measured"
    assert card.card_section(told).startswith("`python -m train report`, 2026-11-23")
