"""What is no speech and yet passes for it is counted by what it is called; so is speech that is taken for none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from train.corpora import TRAINING_CORPORA
from train.features import STEP, Collection
from train.report import nonspeech
from train.report.context import Context, Outputs
from train.report.listening import Heard, Listener, seconds_by_label, step_decisions, together
from train.report.nonspeech import Sound, false_alarms, heard_as, markdown, ranked

TEST = Collection("ravdess", "test")


def outputs(context: Context, labels: list[int], known: list[float]) -> Outputs:
    """Two members that agree on the label of every row."""
    sure = np.log(np.where(np.arange(7) == np.array(labels)[:, None], 0.7, 0.05)).astype(np.float32)
    nothing = np.zeros((len(labels), 0), np.float32)
    return Outputs(np.stack([sure, sure]), np.array(known, np.float32), nothing, nothing)


def heard(context: Context, steps: int, labels: list[int], known: list[float]) -> Heard:
    """Speech in the last steps of a stream."""
    first = steps - len(labels)
    ends = np.arange(first + 1, steps + 1) * STEP
    found = outputs(context, labels, known) if labels else None
    return Heard(ends, np.full(len(labels), 0.5, np.float32), found, steps)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(write_graph(tmp_path, step_uncertain_below=0.4, utterance_uncertain_below=0.4))


def test_seconds_are_counted_by_the_stable_label(context):
    found = seconds_by_label(context, heard(context, 6, [1, 1, 1, 1], [0.9] * 4))
    assert found == {"no_speech": 1.0, "anger": 2.0}
    assert seconds_by_label(context, heard(context, 6, [1, 1, 1, 1], [0.1] * 4)) == {"no_speech": 1.0, "uncertain": 2.0}
    assert seconds_by_label(context, heard(context, 4, [], [])) == {"no_speech": 2.0}


def test_known_lowers_the_confidence_and_leaves_the_label(context):
    found = outputs(context, [1, 2], [1.0, 0.5])
    posterior, confidence = step_decisions(context, found)
    assert posterior.argmax(1).tolist() == [1, 2]
    assert confidence == pytest.approx([0.7, 0.35], rel=1e-4)


def test_steps_are_judged_as_clips_are(context):
    """One step a clip: what the step's confidence is held against decides the clip in the same way."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 40, 7)) * 2
    members = (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).astype(np.float32)
    found = replace(outputs(context, [0] * 40, rng.uniform(size=40).tolist()), members=members)
    posterior, confidence = step_decisions(context, found)
    emitted = context.emitted_of(found, np.ones(40, np.float32), np.arange(40), 40).labels()
    assert np.array_equal(emitted, np.where(confidence >= 0.4, posterior.argmax(1), -1))
    assert 5 < (emitted == -1).sum() < 40


def test_sounds_are_told_by_kind_and_together(context):
    laughs = [heard(context, 4, [1, 1], [0.1, 0.1]), heard(context, 4, [3, 3], [0.9, 0.9])]
    rain = [heard(context, 10, [], [])]
    sounds = [Sound("bursts", "laugh", str(number), lambda entry=entry: entry) for number, entry in enumerate(laughs)]
    sounds += [Sound("esc", "rain", "3", lambda: rain[0])]
    found = heard_as(context, sounds, lambda entry: entry)
    laugh, wet = found["kinds"]["bursts"]["laugh"], found["kinds"]["esc"]["rain"]
    assert (laugh["clips"], laugh["seconds"], laugh["no_speech"], laugh["speech_seconds"]) == (2, 4.0, 0.5, 2.0)
    assert (laugh["uncertain"], laugh["labels"]["fear"], laugh["labels"]["anger"]) == (0.5, 0.5, 0.0)
    assert laugh["passed"] is False  # half is not most
    assert (wet["no_speech"], wet["uncertain"], wet["passed"]) == (1.0, None, None)
    assert found["all"]["seconds"] == 9.0
    assert found["corpora"]["bursts"] == laugh
    assert sorted(found["known"].tolist()) == pytest.approx([0.1, 0.1, 0.9, 0.9])


def test_real_speech_that_is_taken_for_none_is_a_false_alarm(tmp_path, monkeypatch):
    speech = made_up_inputs(TEST, noise=0.1)
    graph = write_graph(tmp_path, step_uncertain_below=0.2, utterance_uncertain_below=0.2)
    right = false_alarms(made_up_context(graph, monkeypatch, speech), TEST)
    assert (right["steps_uncertain_by_known"], right["clips_uncertain_by_known"], right["steps_below_half"]) == (0.0, 0.0, 0.0)
    strange = made_up_inputs(TEST, noise=0.1, strange=3.0)
    wrong = false_alarms(made_up_context(graph, monkeypatch, strange), TEST)
    assert wrong["steps_uncertain_by_known"] > 0.9
    assert wrong["clips_uncertain_by_known"] > 0.9
    assert wrong["clips"] == right["clips"] == 84


def test_what_is_uncertain_anyway_is_no_false_alarm_of_known(tmp_path, monkeypatch):
    graph = write_graph(tmp_path, step_uncertain_below=1.01, utterance_uncertain_below=1.01)
    found = false_alarms(made_up_context(graph, monkeypatch, made_up_inputs(TEST, strange=3.0)), TEST)
    assert (found["steps_uncertain"], found["clips_uncertain"]) == (1.0, 1.0)
    assert (found["steps_uncertain_by_known"], found["clips_uncertain_by_known"]) == (0.0, 0.0)


def test_ranking():
    assert ranked(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1.0
    assert ranked(np.array([0.5, 0.5]), np.array([0.5])) == 0.5
    assert ranked(np.array([0.1, 0.9]), np.array([0.5])) == 0.5


def test_silence_is_heard_as_no_speech(context, monkeypatch):
    monkeypatch.setattr("train.report.listening.find_pack", lambda _: pytest.fail("features were given"))
    from train.features import load_features

    found = Listener(context, load_features()).hear(np.zeros(20_000, np.float32))
    assert (found.steps, len(found.ends), found.outputs) == (3, 0, None)
    assert together([found]) is None


def test_the_whole_section(tmp_path, monkeypatch):
    parts = [made_up_inputs(Collection(corpus, "test"), clips=1) for corpus in TRAINING_CORPORA]
    context = made_up_context(write_graph(tmp_path), monkeypatch, *parts)
    clip = heard(context, 4, [1, 1], [0.1, 0.1])
    monkeypatch.setattr(nonspeech, "Listener", lambda _: type("Deaf", (), {"hear": lambda self, samples: clip})())
    sounds = [Sound("esc10", "rain", "a", lambda: np.zeros(1)), Sound("noise", "street", "b", lambda: np.zeros(1))]
    monkeypatch.setattr(nonspeech, "recordings", lambda *_: sounds)
    found = nonspeech.figures(context)
    assert found["known_area"] == 1.0
    assert list(found["speech"]) == list(TRAINING_CORPORA)
    text = markdown(found)
    assert text.startswith("### ")
    assert "| rain | 1 | 2 | 0.500 | 1 | 1.000 | yes | 0.000 |" in text
    assert "in 1.000 of pairs" in text
