"""Streams replayed from cached clips are what the runtime makes of them; what a history and an enrolment are worth is measured."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from report_material import made_up_context, made_up_inputs, write_graph

from streamser.ensemble import Ensemble
from streamser.events import EmotionEvent
from streamser.fusion_input import FusionInput
from streamser.judge import Judge
from streamser.packs.manifest import HistorySettings
from streamser.sessions import open_session
from streamser.speaker_history import Voices
from streamser.timeline import UtteranceDecision
from train.corpora import LABELS
from train.features import Collection
from train.metrics import macro_f1
from train.report import decks, enrolment, meetings, streams
from train.report.paired import Answers, compare, sign_flips
from train.report.replay import Replay, Turn

SMALL_BATCHES = 3
VALIDATION, TEST, NEMO = Collection("ravdess", "validation"), Collection("ravdess", "test"), Collection("nemo", "test")


@pytest.fixture
def context(tmp_path, monkeypatch):
    monkeypatch.setattr("train.report.paired.DRAWS", 60)
    parts = [
        made_up_inputs(VALIDATION, speakers=("a", "b"), clips=8, seed=1),
        made_up_inputs(TEST, speakers=("c", "d"), clips=8, seed=2),
        made_up_inputs(NEMO, LABELS[:5], speakers=("e", "f", "g"), clips=8, seed=3),
    ]
    return made_up_context(write_graph(tmp_path), monkeypatch, *parts)


COLLECTIONS = (VALIDATION, TEST, NEMO)


def nodes_of(inputs, row):
    found = inputs.row(row)
    nothing = {"text": np.zeros((0, 384), np.float32), "text_age": np.zeros(0, np.float32)}
    kinds = {"pitch": np.int64, "whisper": np.float32, "spectral": np.float32}
    cast = {name: values.astype(kinds.get(name, np.float32)) for name, values in found.items()}
    return FusionInput(**cast, **nothing, heard=float(inputs.heard[row]))


def test_a_replayed_stream_decides_what_the_runtime_decides(context, monkeypatch):
    monkeypatch.setattr("train.report.replay.BATCH", SMALL_BATCHES)
    replay, inputs = Replay(context), context.inputs(VALIDATION)
    settings = HistorySettings(**context.told["history"])
    ensemble = Ensemble(open_session(context.graph), context.labels, "mean", {"step": 0, "utterance": 0}, history=settings)
    rng = np.random.default_rng(0)
    played = [rng.permutation(len(inputs.clip_label))[:12].tolist() for _ in range(3)]  # both speakers, in turn or not
    voices = [replay.voices() for _ in played]
    judges = [Judge(ensemble, np.arange(7)) for _ in played]
    moved = 0.0
    for number, clips in enumerate(zip(*played, strict=True)):
        found = replay.hear([Turn(VALIDATION, clip) for clip in clips], voices)
        replay.remember(found, voices)
        replayed = found.decisions().probabilities()
        for stream, clip in enumerate(clips):
            decision, before = UtteranceDecision(), 0.0
            for row in replay.rows(VALIDATION)[clip].tolist():
                heard = float(inputs.heard[row])
                decision.add(judges[stream].step(nodes_of(inputs, row), number, heard - before), heard)
                before = heard
            judges[stream].end([number])
            assert np.allclose(np.exp(decision.decide().log_posterior), replayed[stream], atol=2e-3)
        moved = max(moved, float(np.abs(replayed - replay.hear(turns_of(clips)).decisions().probabilities()).max()))
    assert moved > 0.1  # the histories had a say
    ours, theirs = (sorted(entry.seconds for entry in kept.histories) for kept in (voices[0], judges[0].voices))
    assert len(ours) == 2
    assert np.allclose(ours, theirs, rtol=1e-3)


def turns_of(clips):
    return [Turn(VALIDATION, clip) for clip in clips]


def test_turns_of_several_collections_keep_their_order(context):
    replay = Replay(context)
    turns = [Turn(NEMO, 3), Turn(VALIDATION, 0), Turn(NEMO, 0), Turn(TEST, 5)]
    together = replay.hear(turns).decisions().probabilities()
    alone = [replay.hear([turn]).decisions().probabilities()[0] for turn in turns]
    assert np.allclose(together, alone)
    assert np.allclose(replay.hear(turns).seconds, 2.0)


def test_a_graph_without_histories_cannot_be_replayed(tmp_path, monkeypatch):
    for graph in (write_graph(tmp_path / "before", remembers=False), write_graph(tmp_path / "without", history=None)):
        context = made_up_context(graph, monkeypatch, made_up_inputs(TEST))
        with pytest.raises(SystemExit, match="remembers no voices"):
            Replay(context)
        for section in (streams, enrolment):
            assert "Left out" in section.markdown(section.figures(context))


def test_what_is_judged_is_never_heard_before(context):
    replay = Replay(context)
    speakers = decks.speakers_of(replay, COLLECTIONS)
    assert len(speakers) == 7
    for kind in decks.KINDS:
        for case in decks.cases_of(kind, speakers, 0, 6):
            heard = list(itertools.islice(case.before, 100))
            assert not set(heard) & set(case.targets)
            labels = np.array([streams.label_of(replay, turn) for turn in heard])
            names = {str(context.inputs(turn.collection).clip_speaker[turn.clip]) for turn in heard}
            if kind == "80 % neutral":
                assert (labels == 0).mean() == 0.8
            if kind == "one emotion":
                assert len(set(labels)) == 1
            if kind == "balanced":
                assert np.ptp(np.bincount(labels)[np.unique(labels)]) <= 1
            assert len(names) == (2 if kind == "two speakers" else 1)


def test_speakers_with_few_clips_are_left_out(tmp_path, monkeypatch):
    context = made_up_context(write_graph(tmp_path), monkeypatch, made_up_inputs(TEST, LABELS[:2], clips=5))
    replay = Replay(context)
    assert decks.speakers_of(replay, [TEST]) == []
    with pytest.raises(SystemExit, match="no speaker has clips enough"):
        streams.follow(replay, [], (5.0,))


def test_a_history_helps_where_the_toy_says_it_does(context):
    found = streams.figures(context, COLLECTIONS)
    kinds = found["kinds"]
    assert all(moments["0"]["difference"] == 0 for moments in kinds.values())
    for kind in ("balanced", "80 % neutral", "two speakers"):
        assert kinds[kind]["30"]["difference"] > 0.04
        assert kinds[kind]["30"]["low"] <= kinds[kind]["30"]["difference"] <= kinds[kind]["30"]["high"]
    assert kinds["balanced"]["30"]["difference"] > kinds["balanced"]["5"]["difference"]
    assert kinds["one emotion"]["60"]["difference"] < kinds["balanced"]["60"]["difference"] - 0.1
    assert found["bars"]["gain"]["met"]
    assert found["bars"]["worst"]["value"] == min(cell["difference"] for moments in kinds.values() for cell in moments.values())
    told = streams.markdown(found)
    assert all(kind in told for kind in decks.KINDS)
    assert told.startswith("### ")


def worth(context, kind):
    replay = Replay(context)
    cases = decks.cases_of(kind, decks.speakers_of(replay, COLLECTIONS), 0, 3)
    return compare(streams.follow(replay, cases, (30.0,)).answers(30.0), macro_f1)["difference"]


def test_voices_that_are_taken_for_one_are_worth_less(tmp_path, monkeypatch, context):
    parts = [context.inputs(collection) for collection in COLLECTIONS]
    settings = {"floor": 0.25, "voice_threshold": 1e6}
    deaf = made_up_context(write_graph(tmp_path / "deaf", history=settings), monkeypatch, *parts)
    assert worth(deaf, "two speakers") < worth(context, "two speakers") - 0.01
    assert worth(deaf, "balanced") == worth(context, "balanced")


def test_corpora_never_trained_on_are_judged_among_four_labels(context):
    found = streams.sealed_figures(context, [TEST, NEMO])
    assert set(found["kinds"]["balanced"]["by_corpus"]) == {"ravdess", "nemo"}
    assert found["kinds"]["balanced"]["after"] > found["kinds"]["balanced"]["before"]
    assert found["bars"]["after 30 s"]["value"] == found["kinds"]["balanced"]["after"]
    assert "nemo" in streams.sealed_markdown(found)


def test_an_enrolment_helps_where_the_toy_says_it_does(context):
    found = enrolment.figures(context, (VALIDATION, TEST))
    assert found["enrolled_on"]["both"]["difference"] > 0.03
    assert found["bars"]["enrolment"]["met"]
    assert found["enrolled_on"]["both"]["clips"] == len(context.inputs(VALIDATION).clip_label) + len(
        context.inputs(TEST).clip_label
    )
    assert found["seconds"] == pytest.approx(8.0)  # four of a repetition's clips of two seconds
    assert "repetition 02" in enrolment.markdown(found)


def test_an_enrolment_hears_one_repetition_only(context):
    replay = Replay(context)
    ordinary = enrolment.by_actor(replay, [TEST], "01", True)
    judged = enrolment.by_actor(replay, [TEST], "02", False)
    assert set(ordinary) == set(judged) == {"c", "d"}
    assert not set(ordinary["c"]) & set(judged["c"])
    assert {streams.label_of(replay, turn) for turn in ordinary["c"]} == {0}
    assert {streams.label_of(replay, turn) for turn in judged["c"]} == set(range(7))
    assert enrolment.enrol(replay, ordinary["c"][:1]) is None  # two seconds are too little
    with pytest.raises(SystemExit, match="03-01-EE"):
        enrolment.repetition_of("ses01_anger.wav")


def test_an_enrolment_counts_all_it_hears(context):
    replay = Replay(context)
    turns = enrolment.by_actor(replay, [TEST], "01", True)["c"]
    known, streamed = enrolment.enrol(replay, turns), replay.voices()
    for turn in turns:
        streams.play(replay, [turn], [streamed])
    assert known.seconds == pytest.approx(2.0 * len(turns))
    assert streamed.histories[0].seconds < known.seconds  # a stream does not take it for neutral altogether
    assert isinstance(streamed, Voices)


def answers(before, after, speakers):
    truth = np.tile([0, 1], len(before) // 2)
    return Answers(truth, np.array(before), np.array(after), np.full(len(before), "x"), np.array(speakers))


def test_a_difference_has_its_sign_and_an_interval_over_speakers():
    speakers = np.repeat(list("abcdefgh"), 4)
    wrong, right = np.zeros(32, int), np.tile([0, 1], 16)
    better = compare(answers(wrong, right, speakers), macro_f1)
    assert better["difference"] == pytest.approx(2 / 3, abs=1e-3)
    assert better["low"] > 0
    assert better["p"] < 0.02
    assert better["by_corpus"]["x"]["speakers"] == 8
    worse = compare(answers(right, wrong, speakers), macro_f1)
    assert worse["difference"] == -better["difference"]
    one = np.where(speakers == "a", right, wrong)
    assert compare(answers(wrong, one, speakers), macro_f1)["p"] == 1.0
    assert compare(answers(wrong[:4], right[:4], ["a"] * 4), macro_f1)["by_corpus"]["x"]["low"] is None


def test_signs_that_may_be_chance_are_told():
    assert sign_flips(np.array([0.1, -0.1, 0.05, -0.04])) > 0.5
    assert sign_flips(np.full(12, 0.1)) < 0.01


def step(start, label, stable, confidence):
    unused = {"probabilities": None, "arousal": None, "text_probabilities": None, "text": "", "text_pending": ""}
    return EmotionEvent(
        source="a.flac",
        channel=0,
        seq=0,
        start=start,
        end=start + 0.5,
        window_start=0.0,
        state="no_speech" if label is None else "speech",
        label=label,
        stable_label=stable,
        confidence=confidence,
        pitch_hz=None,
        level_db=None,
        latency=None,
        **unused,
    )


EVENTS = [
    step(0.0, None, None, None),
    step(0.5, "neutral", "neutral", 0.9),
    step(1.0, "anger", "neutral", 0.6),
    step(1.5, "anger", "anger", 0.8),
    step(2.0, "uncertain", "uncertain", 0.2),
]


def test_meetings_count_only_speech_that_is_called_emotional():
    found = meetings.summary(meetings.steps_of(EVENTS))
    assert found["seconds"] == 2.0
    assert found["emotional"] == 0.25
    assert found["emotional_steps"] == 0.5
    assert found["uncertain"] == 0.25
    assert found["confidence"] == pytest.approx(0.7)
    assert meetings.summary([])["emotional"] == 0


def test_meetings_are_heard_through_the_pack(tmp_path, monkeypatch, context):
    assert "Left out" in meetings.markdown(meetings.figures(context))
    folder = tmp_path / "meetings" / "ami"
    folder.mkdir(parents=True)
    for name in ("dev00.flac", "trn00.flac", "tst00.flac"):
        (folder / name).touch()
    heard = []

    def recognize(path, **options):
        heard.append((path.name, options))
        return EVENTS

    monkeypatch.setattr(meetings, "data_root", lambda: tmp_path)
    monkeypatch.setattr(meetings.Recognizer, "load", lambda pack: SimpleNamespace(recognize=recognize))
    context.pack = tmp_path
    found = meetings.figures(context)
    assert heard == [("dev00.flac", {"transcript": False}), ("tst00.flac", {"transcript": False})]
    assert found["bars"]["emotional"] == {"value": 0.25, "bar": 0.2, "met": False}
    assert "**missed**" in meetings.markdown(found)
    assert "tst00.flac" in meetings.markdown(found)
    (folder / "dev00.flac").unlink()
    (folder / "tst00.flac").unlink()
    with pytest.raises(SystemExit, match="no meetings"):
        meetings.figures(context)
