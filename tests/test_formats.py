"""What the formats carry, read by readers that others wrote."""

from __future__ import annotations

import html
from importlib.resources import files
from pathlib import Path

import av
import pytest
import srt
from pyannote.database.util import load_rttm

from streamser.cli.main import main
from streamser.events import EmotionEvent, Event, SummaryEvent, UtteranceEvent
from streamser.recognizer import Recognizer
from streamser.sinks.cues import time_stamp
from streamser.sinks.formats import FORMATS
from streamser.sinks.output import Output
from tests.conftest import LABELS
from tests.format_readers import CALL, READERS, captions, tiers_of, written
from tests.told import lost, together, told

NASTY = (
    "a --> b ---> c",
    "<i>not</i> <00:00:01.000> a tag & &lt; {\\an8}",
    'he said "no", "" and \'yes\'',
    "two\n\n3\n00:00:00,000 --> 00:00:09,000\nlines",
    "42",
    "",
    "\u202eturned\u202c \x00\x1b[31m\x85 red\u2028line",
    "\u65e5\u672c\u8a9e \U0001f600 \u0645\u0631\u062d\u0628\u0627",
    "not text: \udcff",
    "NOTE this",
    "WEBVTT",
)


def nasty(words: bool = False) -> list[Event]:
    plan = [part for text in NASTY for part in [("anger", 2.0, text), (None, 1.0, "")]]
    return told(plan, words=words)


def test_srt_is_read_by_srt(tmp_path: Path) -> None:
    cues = list(srt.parse(written("srt", tmp_path / "o.srt", CALL)))
    assert [(cue.index, cue.start.total_seconds(), cue.end.total_seconds(), cue.content) for cue in cues] == [
        (1, 1.0, 5.0, "[neutral] Good morning, this is the bank."),
        (2, 7.0, 10.0, "[anger] You again!"),
        (3, 10.0, 12.0, "[uncertain]"),
        (4, 24.0, 26.5, "[sadness] I give up."),
    ]


def test_vtt_is_read_by_webvtt(tmp_path: Path) -> None:
    text = written("vtt", tmp_path / "o.vtt", CALL)
    cues = captions(text)
    assert [(cue.start, cue.end, cue.text) for cue in cues][1:3] == [
        ("00:00:07.000", "00:00:10.000", "[anger] You again!"),
        ("00:00:10.000", "00:00:12.000", "[uncertain]"),
    ]
    assert cues[1].raw_text == "<c.anger>[anger]</c> You again!"
    assert "::cue(.anger) { color: #e5484d }" in text
    assert "not of what a person feels" in text


def test_nasty_words_stay_in_their_cue(tmp_path: Path) -> None:
    cues = list(srt.parse(written("srt", tmp_path / "o.srt", nasty())))
    assert len(cues) == len(NASTY)
    assert all(cue.content.startswith("[anger]") and "\n" not in cue.content for cue in cues)
    assert not any(set("<>{}") & set(cue.content) for cue in cues)
    assert cues[4].content == "[anger] 42"
    assert cues[7].content == f"[anger] {NASTY[7]}"
    text = written("vtt", tmp_path / "o.vtt", nasty())
    shown = [html.unescape(cue.text) for cue in captions(text)]
    assert len(shown) == len(NASTY)
    assert shown[0] == f"[anger] {NASTY[0]}"
    assert shown[1] == f"[anger] {NASTY[1]}"
    assert shown[3] == "[anger] two 3 00:00:00,000 --> 00:00:09,000 lines"
    assert shown[6] == "[anger] turned [31m red line"
    assert shown[9] == "[anger] NOTE this"


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_players_take_the_cues(name: str, tmp_path: Path) -> None:
    """FFmpeg's reader, which most players use; braces apart, which it takes for commands in VTT too."""
    text = written(name, tmp_path / f"o.{name}", nasty())
    words = [cue.content for cue in srt.parse(text)] if name == "srt" else [html.unescape(cue.text) for cue in captions(text)]
    with av.open(str(tmp_path / f"o.{name}")) as container:
        cues = [
            (float(p.pts * p.time_base), s.dialogue.decode()) for p in container.demux() if p.pts is not None for s in p.decode()
        ]
    assert [start for start, _ in cues] == [3.0 * i for i in range(len(NASTY))]
    assert [shown for _, shown in cues if "an8" not in shown] == [word for word in words if "an8" not in word]


def test_labels_that_are_no_words(tmp_path: Path) -> None:
    events = told([("very <angry> & 1.5", 2.0, "no")], source="a.wav")
    cue = captions(written("vtt", tmp_path / "o.vtt", events, ["very <angry> & 1.5", "2nd"]))[0]
    assert cue.raw_text == "<c.very__angry____1_5>[very &lt;angry&gt; &amp; 1.5]</c> no"
    assert "::cue(._2nd)" in (tmp_path / "o.vtt").read_text()
    assert written("rttm", tmp_path / "o.rttm", events).split()[7] == "very_angry_1.5"


def test_lost_audio_is_a_note_in_vtt_and_nothing_in_srt(tmp_path: Path) -> None:
    events = [*CALL[:3], lost(1.0, 0.36), *CALL[3:]]
    assert "NOTE 0.360 s lost at 00:00:01.000 (source)\n\n" in (text := written("vtt", tmp_path / "o.vtt", events))
    assert len(captions(text)) == 4
    assert written("srt", tmp_path / "a.srt", events) == written("srt", tmp_path / "b.srt", CALL)


def test_two_channels_give_cues_in_order_with_their_names(tmp_path: Path) -> None:
    agent = told([("neutral", 18.0, "long"), (None, 2.0, ""), ("neutral", 2.0, "then"), (None, 60.0, "")], channel=0)
    customer = told([(None, 5.0, ""), *[("anger", 1.0, "no"), (None, 2.0, "")] * 10, (None, 20.0, "")], channel=1)
    events = together(agent, customer)
    cues = list(srt.parse(written("srt", tmp_path / "o.srt", events)))
    assert len(cues) == 12
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)
    assert (cues[0].content, cues[1].content) == ("(channel 0) [neutral] long", "(channel 1) [anger] no")
    spoken = captions(written("vtt", tmp_path / "o.vtt", events))
    assert [cue.voice for cue in spoken[:2]] == ["channel 0", "channel 1"]
    assert [cue.start for cue in spoken] == sorted(cue.start for cue in spoken)


def test_rttm_is_read_by_pyannote(tmp_path: Path) -> None:
    other = told([("fear", 2.0, "oh")], source='calls/ein "Fuß (2).mp3')
    written("rttm", tmp_path / "o.rttm", [*CALL, *other])
    read = load_rttm(tmp_path / "o.rttm")
    assert set(read) == {"a_call", "ein_Fuß_2_"}
    tracks = [(s.start, s.end, label) for s, _, label in read["a_call"].itertracks(yield_label=True)]
    # `uncertain` is dated 1 s back into `anger`; the other changes fall into silence, which stays silence.
    assert tracks == [(1.0, 5.0, "neutral"), (7.0, 9.0, "anger"), (9.0, 12.0, "uncertain"), (24.0, 26.5, "sadness")]


def test_rttm_lasts_as_long_as_the_summary_says(tmp_path: Path) -> None:
    plan = [(label, 2.0 + i / 2, "x") for i, label in enumerate([None, *LABELS])]
    events = told(plan)
    written("rttm", tmp_path / "o.rttm", events)
    summary = events[-1]
    assert isinstance(summary, SummaryEvent)
    read = load_rttm(tmp_path / "o.rttm")["a_call"]
    assert sum(s.duration for s in read.itersegments()) == pytest.approx(sum(summary.seconds.values()) - 2.0)


def test_rttm_counts_channels_from_one_and_writes_every_segment_once(tmp_path: Path) -> None:
    both = together(told([("neutral", 30.0, "x")]), told([(None, 3.0, ""), ("anger", 20.0, "y")], channel=1))
    lines = [line.split() for line in written("rttm", tmp_path / "o.rttm", both).splitlines()]
    assert sorted((line[2], line[3], line[4], line[7]) for line in lines) == [
        ("1", "0.000", "30.000", "neutral"),
        ("2", "3.000", "20.000", "anger"),
    ]


def test_textgrid_is_read_by_praat_and_praatio(tmp_path: Path) -> None:
    plan = [(None, 1.0, ""), ("neutral", 2.0, "Good morning."), (None, 1.0, ""), ("anger", 1.0, "")]
    written("textgrid", tmp_path / "o.TextGrid", told(plan, words=True))
    assert tiers_of(tmp_path / "o.TextGrid") == {
        "emotion": [(0, 1, ""), (1, 3, "neutral"), (3, 4, ""), (4, 5, "anger")],
        "utterances": [(0, 1, ""), (1, 3, "[neutral] Good morning."), (3, 4, ""), (4, 5, "[anger]")],
        "words": [(0, 1, ""), (1, 2, "Good"), (2, 3, "morning."), (3, 5, "")],
    }


def test_textgrid_holds_nasty_words_and_channels(tmp_path: Path) -> None:
    events = together(nasty(words=True), told([(None, 3.0, "")], channel=1))
    written("textgrid", tmp_path / "o.TextGrid", events)
    tiers = tiers_of(tmp_path / "o.TextGrid")
    assert list(tiers) == [
        "emotion (channel 0)",
        "utterances (channel 0)",
        "words (channel 0)",
        "emotion (channel 1)",
        "utterances (channel 1)",
    ]
    said = [label for _, _, label in tiers["utterances (channel 0)"] if label]
    assert len(said) == len(NASTY)
    assert said[2] == f"[anger] {NASTY[2]}"
    assert tiers["emotion (channel 1)"] == [(0.0, 33.0, "")]


def test_textgrid_takes_words_that_overlap_or_have_no_length(tmp_path: Path) -> None:
    events = told([("anger", 2.0, "a b")], words=True)
    for event in events:
        if isinstance(event, UtteranceEvent):
            times = [("a", -0.1, 0.9), ("b", 0.8, 0.8), ("c", 0.7, 1.2), ("d", 1.2, 9.0)]
            event.words = [{"word": word, "start": start, "end": end, "probability": 1.0} for word, start, end in times]
    written("textgrid", tmp_path / "o.TextGrid", events)
    assert tiers_of(tmp_path / "o.TextGrid")["words"] == [(0, 0.9, "a"), (0.9, 1.2, "c"), (1.2, 2, "d")]


@pytest.mark.parametrize("name", ["srt", "rttm"])
def test_a_recording_without_speech_gives_an_empty_file(name: str, tmp_path: Path) -> None:
    assert written(name, tmp_path / "o", told([(None, 3.0, "")])) == ""
    (tmp_path / "old").write_text("of another recording")
    sink = FORMATS[name].open(LABELS, Output(str(tmp_path / "old"), force=True))
    sink.write(CALL[0])
    sink.close()
    assert (tmp_path / "old").read_text() == ""


def test_hours_and_milliseconds() -> None:
    assert time_stamp(0.9996, ".") == "00:00:01.000"
    assert time_stamp(36_061.5, ",") == "10:01:01,500"
    assert time_stamp(360_000, ",") == "100:00:00,000"


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load("default", accelerator="cpu")


def test_real_speech_in_every_format(recognizer: Recognizer, tmp_path: Path) -> None:
    """The shipped example, recognised once: every format tells the same story."""
    source = str(Path(__file__).parent.parent / "examples" / "hello.flac")
    events = list(recognizer.recognize(source, words=True))
    labels = recognizer.ensemble.labels
    spoken = [event for event in events if isinstance(event, UtteranceEvent)]
    assert len(spoken) == 2
    cues = list(srt.parse(written("srt", tmp_path / "o.srt", events, labels)))
    assert [cue.content for cue in cues] == [f"[{u.label}] {u.text}" for u in spoken]
    assert [cue.start.total_seconds() for cue in cues] == [u.start for u in spoken]
    shown = captions(written("vtt", tmp_path / "o.vtt", events, labels))
    assert [cue.text for cue in shown] == [cue.content for cue in cues]
    written("rttm", tmp_path / "o.rttm", events, labels)
    summary = events[-1]
    assert isinstance(summary, SummaryEvent)
    heard = load_rttm(tmp_path / "o.rttm")["hello"]
    speech = sum(seconds for label, seconds in summary.seconds.items() if label != "no_speech")
    assert heard.get_timeline().duration() == pytest.approx(speech, abs=0.01)
    assert set(heard.labels()) <= {*labels, "uncertain"}
    written("textgrid", tmp_path / "o.TextGrid", events, labels)
    tiers = tiers_of(tmp_path / "o.TextGrid")
    marked = [(start, end, label) for start, end, label in tiers["emotion"] if label]
    assert marked == [(s.start, s.end, label) for s, _, label in heard.itertracks(yield_label=True)]
    assert " ".join(label for _, _, label in tiers["words"] if label) == " ".join(u.text for u in spoken)
    rows = written("csv", tmp_path / "o.csv", events, labels).splitlines()
    assert len(rows) - 1 == sum(isinstance(event, EmotionEvent) for event in events)


@pytest.mark.parametrize("name", ["srt", "vtt", "rttm", "textgrid"])
def test_the_command_writes_real_speech(name: str, recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = Path(str(files("pytest_audioeval") / "samples" / "audio"))
    clip = min(samples.rglob("*.wav"), key=lambda path: path.stat().st_size)
    monkeypatch.setattr(Recognizer, "load", classmethod(lambda *args, **kwargs: recognizer))
    assert main(["recognize", str(clip), "--format", name, "-o", f"{tmp_path}/out/"]) == 0
    made = tmp_path / "out" / f"{clip.stem}.{FORMATS[name].extension}"
    assert list((tmp_path / "out").iterdir()) == [made]
    found = tiers_of(made)["emotion"] if name == "textgrid" else READERS[name](made.read_text(), made)
    assert found
