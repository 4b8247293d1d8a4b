"""Other systems on our split files: their labels and tags, a funasr that is not there, one that answers, and what is refused."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_funasr
import numpy as np
import pytest
import soundfile

from benchmarks.peers_accuracy import command, funasr_models
from benchmarks.peers_accuracy.clips import balanced, chosen
from benchmarks.peers_accuracy.funasr_models import NotRunHereError, load
from benchmarks.peers_accuracy.labels import FOUR, SEVEN, UnexpectedAnswerError, among, emotion_tag, likeliest, our_label
from benchmarks.peers_accuracy.ours import ARGMAX, EMITTED, joined
from benchmarks.peers_accuracy.peers import AS_GIVEN, BANNED, PEERS
from streamser.events import UtteranceEvent
from streamser.timeline import UNCERTAIN
from train.corpora import Clip, write_manifest

BASE, _, SENSEVOICE = PEERS
SOUND = np.zeros(16_000, np.float32)
SURE_OF_FEAR = (0.1, 0.0, 0.2, 0.05, 0.05, 0.4, 0.1, 0.0, 0.1)  # in the order of fake_funasr.NINE; most for `other`


@pytest.fixture
def funasr(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `import funasr` gives from now on; no hub answers."""
    fake = fake_funasr.module()
    monkeypatch.setitem(sys.modules, "funasr", fake)
    monkeypatch.setattr(funasr_models, "reachable", lambda hub: False)
    return fake.AutoModel


@pytest.fixture
def no_funasr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "funasr", None)


def utterance(start: float, end: float, confidence: float = 0.9, label: str | None = None, **shares: float) -> UtteranceEvent:
    name = label or max(shares, key=shares.__getitem__)
    stamp: dict[str, Any] = {"source": "clip", "channel": 0, "seq": 0, "start": start, "end": end}
    return UtteranceEvent(**stamp, label=name, confidence=confidence, probabilities=shares, text="", language=None, words=None)


def test_their_labels_are_ours_or_none() -> None:
    assert [our_label(name) for name in ("生气/angry", "disgusted", "SAD", "吃惊/surprised")] == [
        "anger",
        "disgust",
        "sadness",
        "surprise",
    ]
    assert [our_label(name) for name in ("其他/other", "<unk>", "unknown", "EMO_UNKNOWN", "")] == [None] * 5
    assert {our_label(name) for name in fake_funasr.NINE} == {*SEVEN, None}


def test_scores_are_restricted_and_renormalised() -> None:
    shares = among(fake_funasr.NINE, SURE_OF_FEAR, SEVEN)
    assert shares.sum() == pytest.approx(1.0)
    assert likeliest(shares, SEVEN) == "fear"
    assert among(fake_funasr.NINE, SURE_OF_FEAR, FOUR).tolist() == pytest.approx([1 / 6, 1 / 3, 1 / 6, 1 / 3])
    assert likeliest(among(fake_funasr.NINE, (0, 0, 0, 0, 0, 1, 0, 0, 0), SEVEN), SEVEN) is None
    with pytest.raises(UnexpectedAnswerError, match="no score for disgust, fear, surprise"):
        among(("生气/angry", "开心/happy", "中立/neutral", "难过/sad", "<unk>"), (0.2,) * 5, SEVEN)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<|en|><|HAPPY|><|Speech|><|woitn|>hello <|SAD|>", "HAPPY"),
        ("<|en|><|EMO_UNKNOWN|><|Speech|><|withitn|>Hello.", "EMO_UNKNOWN"),
        ("<|nospeech|><|Event_UNK|><|woitn|>", ""),
        ("happy", ""),
    ],
)
def test_the_emotion_is_read_from_the_rich_transcription(text: str, tag: str) -> None:
    assert emotion_tag(text) == tag


def test_emotion2vec_answers_among_our_labels(funasr: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decide = load(BASE, fake_funasr.weights(tmp_path / "base", *SURE_OF_FEAR))
    assert decide(SOUND.astype(np.float64)) == {AS_GIVEN: "fear"}
    assert funasr.opened[0]["model"] == str(tmp_path / "base")
    told = capsys.readouterr()
    assert told.out == ""
    assert "funasr version" in told.err


@pytest.mark.parametrize(
    ("labels", "scores", "why"),
    [
        (fake_funasr.NINE, (0.2, 0, 0, 0.3, 0.3, 0, 0.2, 0, 0), "disgust, fear and surprise are all given exactly 0"),
        (fake_funasr.NINE[:3], (0.2, 0.5, 0.3), "no score for neutral, happiness, sadness, surprise"),
        (fake_funasr.NINE, (0.2, 0.8), "9 labels, but 2 scores"),
    ],
)
def test_an_emotion2vec_of_another_form_is_not_scored(funasr: Any, tmp_path: Path, labels: Any, scores: Any, why: str) -> None:
    funasr.labels = labels
    decide = load(BASE, fake_funasr.weights(tmp_path / "base", *scores))
    with pytest.raises(NotRunHereError, match=f"{why}.*pip install --upgrade funasr"):
        decide(SOUND)


@pytest.mark.parametrize(
    ("told", "banned", "answers"),
    [
        ("EMO_UNKNOWN", "SAD", {AS_GIVEN: None, BANNED: "sadness"}),
        ("HAPPY", "HAPPY", {AS_GIVEN: "happiness", BANNED: "happiness"}),
        ("FEARFUL", "Speech", {AS_GIVEN: None, BANNED: None}),
    ],
)
def test_sensevoice_answers_with_a_tag_or_is_wrong(funasr: Any, tmp_path: Path, told: str, banned: str, answers: Any) -> None:
    assert load(SENSEVOICE, fake_funasr.weights(tmp_path / "small", told, banned))(SOUND) == answers


def test_why_a_peer_is_not_run_is_told(funasr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        NotRunHereError, match=r"hub not reachable \(neither www.modelscope.cn nor .*--weights emotion2vec_plus_base=FOLDER"
    ):
        load(BASE)
    tmp_path.joinpath("empty").mkdir()
    with pytest.raises(NotRunHereError, match=r"weights not found: .*empty holds no model.pt"):
        load(BASE, tmp_path / "empty")
    monkeypatch.setattr(funasr_models, "reachable", lambda hub: True)
    with pytest.raises(
        NotRunHereError, match=r"weights not found: Download: iic/\S+ failed.*; weights not found: Download: emotion2vec/"
    ):
        load(BASE)
    assert [entry["hub"] for entry in funasr.opened] == ["ms", "hf"]


def test_weights_that_funasr_did_without_are_not_scored(funasr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake_funasr.weights(tmp_path / "base", *SURE_OF_FEAR)
    monkeypatch.setattr(funasr_models, "missing_files", lambda folder: "")
    (folder / "model.pt").unlink()  # the real one prints that it is missing and goes on with random weights
    with pytest.raises(NotRunHereError, match="came without"):
        load(BASE, folder)


def test_no_hub_is_asked_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **options: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(funasr_models.urllib.request, "urlopen", never)
    assert not funasr_models.reachable("hf")
    monkeypatch.setattr(funasr_models.urllib.request, "urlopen", lambda *args, **options: (_ for _ in ()).throw(OSError()))
    assert not funasr_models.reachable("ms")


def test_clips_are_balanced_over_labels_and_speakers_and_always_the_same() -> None:
    def clip(label: str, speaker: str, number: int) -> Clip:
        return Clip("made_up", Path(f"{label}-{speaker}-{number}.wav"), "", label, speaker, "", "", 1.0, "")

    clips = [clip("neutral", speaker, n) for speaker, many in (("a", 30), ("b", 3), ("c", 3)) for n in range(many)]
    clips += [clip("anger", "a", n) for n in range(2)]
    found = balanced(clips, 9)
    assert Counter(entry.label for entry in found) == {"neutral": 7, "anger": 2}
    assert Counter(entry.speaker for entry in found if entry.label == "neutral") == {"a": 3, "b": 2, "c": 2}
    assert found == balanced(clips, 9)
    assert balanced(clips, 99) == clips


def test_a_clip_of_several_utterances_has_one_answer() -> None:
    assert joined([], 0.3) == {EMITTED: None, ARGMAX: None}
    assert joined([utterance(0, 1, label=UNCERTAIN, anger=0.6, fear=0.4)], 0.3) == {EMITTED: None, ARGMAX: "anger"}
    longer = [utterance(0, 1, anger=0.9, fear=0.1), utterance(2, 5, 0.2, anger=0.2, fear=0.8)]
    assert joined(longer, 0.3) == {EMITTED: "fear", ARGMAX: "fear"}
    assert joined(longer, 0.5) == {EMITTED: None, ARGMAX: "fear"}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest, two clips a label and speaker, whose level tells it; and a recogniser that hears it, neutral unsurely."""
    clips = []
    for speaker in ("a", "b", "c"):
        for number, label in enumerate(SEVEN):
            for take in range(2):
                path = tmp_path / "own" / f"{label}-{speaker}-{take}.wav"
                path.parent.mkdir(exist_ok=True)
                soundfile.write(path, np.full(1600, (number + 1) / 10, np.float32), 16_000)
                clips.append(Clip("own", path, label, label, speaker, "", "en", 0.1, "", "test"))
    write_manifest(tmp_path / "own" / "manifest.csv", clips)

    def stream(labels: tuple[str, ...]) -> Any:
        heard: list[np.ndarray] = []

        def finish() -> list[UtteranceEvent]:
            label = SEVEN[round(float(heard[0].mean()) * 10) - 1]
            shares = {name: 0.9 if name == label else 0.01 for name in labels}
            return [utterance(0, 0.1, label=UNCERTAIN if label == "neutral" else None, **shares)]

        return SimpleNamespace(feed=lambda samples: heard.append(samples) or [], finish=finish)

    ensemble = SimpleNamespace(labels=SEVEN, uncertain_below={"utterance": 0.3})
    fake = SimpleNamespace(ensemble=ensemble, pack=SimpleNamespace(name="made up", version="1"), stream=stream)
    monkeypatch.setattr(command.Recognizer, "load", classmethod(lambda cls, pack: fake))
    return tmp_path / "own" / "manifest.csv"


def test_everyone_is_scored_on_the_same_clips(
    funasr: Any, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = fake_funasr.weights(tmp_path / "base", *SURE_OF_FEAR)
    small = fake_funasr.weights(tmp_path / "small", "EMO_UNKNOWN", "SAD")
    options = ["--weights", f"emotion2vec_plus_base={base}", "--weights", f"sensevoice_small={small}"]
    assert command.main(["--corpora", str(corpus), "--clips", "21", *options]) == 0
    table = capsys.readouterr().out
    told = json.loads(table.splitlines()[-1])
    seven, four = told["parts"]
    assert four["labels"] == ["neutral", "anger", "happiness", "sadness"]
    rows = {(row["system"], row["reading"]): row for row in seven["rows"]}
    assert rows["streamser", ARGMAX]["mean"]["uar"] == 1.0
    assert rows["streamser", EMITTED]["mean"]["uar"] == pytest.approx(6 / 7, abs=1e-4)
    assert rows["streamser", EMITTED]["corpora"]["own"] == rows["streamser", EMITTED]["corpora"]["own"] | {
        "clips": 21,
        "speakers": 3,
    }
    assert rows["emotion2vec_plus_base", AS_GIVEN]["mean"]["uar"] == pytest.approx(1 / 7, abs=1e-4)
    assert rows["emotion2vec_plus_large", ""]["status"] == "not run here"
    assert "hub not reachable" in rows["emotion2vec_plus_large", ""]["why"]
    differences = {entry["reading"]: entry["uar"]["difference"] for entry in seven["paired"]}
    assert differences == {EMITTED: pytest.approx(5 / 7, abs=1e-3), ARGMAX: pytest.approx(6 / 7, abs=1e-3)}
    tags = {row["reading"]: row["corpora"]["own"]["undecided"] for row in four["rows"] if row["system"] == "sensevoice_small"}
    assert tags == {AS_GIVEN: 12, BANNED: 0}
    assert "emotion2vec_plus_large                      not run here: hub not reachable" in table
    assert told["contamination"]["sensevoice_small"] == {str(corpus): "unknown: nobody has looked"}


def test_without_funasr_streamser_is_measured_all_the_same(
    no_funasr: None, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--corpora", str(corpus), "--clips", "14"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [row for part in json.loads(lines[-1])["parts"] for row in part["rows"]]
    assert [row["status"] for row in rows if row["system"] == "streamser"] == ["measured"] * 4
    others = [row for row in rows if row["system"] != "streamser"]
    assert [row["system"] for row in others] == [peer.name for peer in PEERS]
    assert {(row["status"], row["why"]) for row in others} == {
        ("not run here", f"package missing (funasr): {funasr_models.INSTALL}")
    }
    assert sum("not run here: package missing (funasr): pip install" in line for line in lines[:-1]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpora", "tess"], "no corpus 'tess': choose from ravdess"),
        (["--corpora", "ravdess-fold3"], "no corpus 'ravdess-fold3'"),
        (["--corpora", "ased"], "ased is sealed"),
        (["--corpora", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--weights", "sensevoice_small=/no/such/folder"], "no folder '/no/such/folder'"),
        (["--weights", "wavlm=/tmp"], "NAME is one of emotion2vec_plus_base"),
        (["--clips", "0"], "--clips is at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(no_funasr: None, corpus: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        command.main(arguments)


def test_sealed_clips_are_not_opened_even_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSER_DATA", str(tmp_path))
    for corpus in ("ased", "emodb_2s", "turev", "korean_emotiontts"):
        with pytest.raises(SystemExit, match="sealed"):
            chosen(corpus, "test", SEVEN, 10)
    folder = tmp_path / "corpora" / "ased"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", SOUND, 16_000)
    clip = Clip("ased", folder / "a.wav", "anger", "anger", "a", "", "am", 1.0, "", "test")
    write_manifest(tmp_path / "mine.csv", [clip])
    with pytest.raises(SystemExit, match="for evaluation only"):
        chosen(str(tmp_path / "mine.csv"), "test", SEVEN, 10)
