"""`python -m train report`: saved section by section, gone on with, and sealed corpora opened only when told to."""

import argparse
import json

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from train.collection import Collection
from train.corpora import EVALUATION_CORPORA, TRAINING_CORPORA
from train.features import sealed_collection
from train.report import command
from train.report.command import SECTIONS, Section
from train.report.systems import EMITTED, ENSEMBLE


def asked(graph, folder, *more):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(["--graph", str(graph), "-o", str(folder / "report"), *more])


def accuracy_figures(sealed):
    """Scores of the two halves, as far as they were opened."""
    means = {"in_corpus": 0.6, **({"sealed": 0.5, "agreed": 0.55} if sealed else {})}
    systems = {EMITTED: {"score": 0.6, "low": np.float32("nan"), "high": float("nan"), "interval": "t"}}
    corpora = {corpus: {"sealed": False, "systems": systems} for corpus in (*TRAINING_CORPORA, *sealed)}
    return {"corpora": corpora, "means": {EMITTED: means, ENSEMBLE: means}, "bars": {}, "labels": {}}


@pytest.fixture
def ran(monkeypatch):
    """Stand-ins for two sections, which count how often they were measured, and the log of looks."""
    counts = {"accuracy": 0, "probe": 0, "looks": []}

    def count(name, figures):
        def measure(given):
            counts[name] += 1
            return figures(given)

        return measure

    monkeypatch.setitem(
        SECTIONS,
        "accuracy",
        Section(
            count("accuracy", lambda given: accuracy_figures(given.sealed)),
            lambda _: "### Accuracy\n",
            SECTIONS["accuracy"].look,
            seeds=True,
        ),
    )
    monkeypatch.setitem(SECTIONS, "probe", Section(count("probe", lambda _: {"bars": {}}), lambda _: "### Probe\n"))
    monkeypatch.setattr(command, "record_look", lambda figures, graph: counts["looks"].append(figures))
    return counts


BOTH = ("--sections", "accuracy", "probe")


def test_what_was_measured_of_a_graph_is_not_measured_again(tmp_path, ran, capsys):
    graph = write_graph(tmp_path)
    assert command.run(asked(graph, tmp_path, "--sections", "probe")) == 0
    assert command.run(asked(graph, tmp_path, *BOTH)) == 0
    assert (ran["accuracy"], ran["probe"]) == (1, 1)
    assert "### Probe" in capsys.readouterr().out
    text = (tmp_path / "report.md").read_text()
    assert text.index("### Accuracy") < text.index("### Probe")  # in the order of the report, not of the runs
    command.run(asked(graph, tmp_path, *BOTH, "--again"))
    assert (ran["accuracy"], ran["probe"]) == (2, 2)


@pytest.mark.parametrize("change", ["graph", "threshold"])
def test_another_graph_or_threshold_is_measured_anew(tmp_path, ran, change):
    graph = write_graph(tmp_path)
    command.run(asked(graph, tmp_path, *BOTH))
    write_graph(tmp_path, remembers=False) if change == "graph" else write_graph(tmp_path, utterance_uncertain_below=0.4)
    command.run(asked(graph, tmp_path, "--sections", "probe"))
    assert ran["probe"] == 2
    assert list(json.loads((tmp_path / "report.json").read_text())["sections"]) == ["probe"]  # the other's are not kept beside


def test_sealed_corpora_are_opened_once_when_told_to_and_the_look_is_logged(tmp_path, ran, capsys):
    graph = write_graph(tmp_path)
    command.run(asked(graph, tmp_path, *BOTH))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["agreed_measure"], line["emitted"]["in_corpus"]) == (None, 0.6)
    assert "in-corpus half only" in line["note"]
    assert ran["looks"] == []
    command.run(asked(graph, tmp_path, *BOTH, "--sealed"))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["agreed_measure"] == 0.55
    assert "note" not in line
    assert (ran["accuracy"], ran["probe"]) == (2, 1)
    (look,) = ran["looks"]
    assert look["ased"][EMITTED]["score"] == 0.6
    command.run(asked(graph, tmp_path, *BOTH))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["agreed_measure"] == 0.55  # what is known stays known
    assert len(ran["looks"]) == 1


def test_a_section_that_cannot_be_measured_does_not_stop_the_others(tmp_path, ran, monkeypatch, capsys):
    def fail(_):
        raise SystemExit("no meetings in /nowhere")

    monkeypatch.setitem(SECTIONS, "meetings", Section(fail, str))
    assert command.run(asked(write_graph(tmp_path), tmp_path, "--sections", "meetings", "probe")) == 1
    assert "not measured: meetings: no meetings in /nowhere" in capsys.readouterr().out
    assert ran["probe"] == 1


def test_other_seeds_are_measured_when_they_are_given(tmp_path, ran):
    graph, other = write_graph(tmp_path), write_graph(tmp_path / "other", utterance_uncertain_below=0.5)
    for _ in range(2):
        command.run(asked(graph, tmp_path, *BOTH, "--graphs", str(other)))
        command.run(asked(graph, tmp_path, *BOTH))
    assert (ran["accuracy"], ran["probe"]) == (1, 1)
    command.run(asked(other, tmp_path, *BOTH))
    assert ran["accuracy"] == 2


def test_what_is_not_finite_is_null_in_the_file(tmp_path, ran):
    command.run(asked(write_graph(tmp_path), tmp_path, "--sections", "accuracy"))
    report = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert report["sections"]["accuracy"]["figures"]["corpora"]["nemo"]["systems"][EMITTED]["low"] is None


def test_a_file_that_is_no_report_is_left_alone(tmp_path, ran):
    (tmp_path / "report.json").write_text('{"figures": {}}')
    with pytest.raises(SystemExit, match=r"report\.json is no report"):
        command.run(asked(write_graph(tmp_path), tmp_path, *BOTH))
    assert (tmp_path / "report.json").read_text() == '{"figures": {}}'


def test_a_pack_of_other_labels_is_sent_to_evaluate(tmp_path):
    graph = write_graph(tmp_path, labels=["bored", "eager"])
    with pytest.raises(SystemExit, match="train evaluate --manifest"):
        command.run(asked(graph, tmp_path))


def test_every_look_names_the_corpora_and_a_score(tmp_path, monkeypatch):
    parts = [
        made_up_inputs(Collection(corpus, split), clips=3, noise=2.2)
        for corpus in TRAINING_CORPORA
        for split in ("validation", "test")
    ]
    parts += [made_up_inputs(sealed_collection(corpus), clips=6) for corpus in EVALUATION_CORPORA]
    for part in parts:
        part.arrays["pitch"] = np.minimum(part.arrays["pitch"], 255)
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts)
    given = command.Asked(context, (), EVALUATION_CORPORA)
    for name in ("calibration", "sealed-streams", "fairness"):
        look = SECTIONS[name].look(SECTIONS[name].figures(given))
        assert set(EVALUATION_CORPORA) <= set(look), name
        scores = [found["score"] for corpus in EVALUATION_CORPORA for found in look[corpus].values()]
        assert all(isinstance(score, float) for score in scores), name


def test_baselines_are_taken_from_a_report_that_has_them(tmp_path, ran):
    graph = write_graph(tmp_path)
    other = tmp_path / "other.json"
    for content in ("", "{}", '{"sections": {"probe": {}}}', '{"sections": {"accuracy": {"figures": {}}}}'):
        other.write_text(content)
        with pytest.raises(SystemExit, match="no report with a section on accuracy"):
            command.run(asked(graph, tmp_path, *BOTH, "--baselines-of", str(other)))
    other.write_text(json.dumps({"sections": {"accuracy": {"figures": {"baselines": ["x"], "corpora": {}}}}}))
    found = command.asked_of(asked(graph, tmp_path, "--baselines-of", str(other)))
    assert (found.baselines, found.before) == ((), {"baselines": ["x"], "corpora": {}})
    with pytest.raises(SystemExit):  # argparse names the two that exclude each other
        asked(graph, tmp_path, "--baselines", "eGeMAPS + SVM", "--baselines-of", str(other))
