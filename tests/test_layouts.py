"""Published layouts with tables of labels, read from miniature trees. Faults are named by row or file."""

import pytest

from tests.miniature_corpora import by_name, wav, write
from train.corpora.layouts import iemocap, meld, msp_podcast
from train.corpora.manifest import validate

# MSP-Podcast

CONSENSUS = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"


@pytest.fixture
def podcast(tmp_path):
    rows = [
        ("MSP-PODCAST_0001_0008.wav", "A", "127", "Male", "Train"),
        ("MSP-PODCAST_0001_0019.wav", "X", "Unknown", "Unknown", "Train"),
        ("MSP-PODCAST_0002_0033.wav", "C", "8", "Female", "Development"),
        ("MSP-PODCAST_0003_0051.wav", "U", "9", "Female", "Test1"),
        ("MSP-PODCAST_0004_0001.wav", "N", "9", "Female", "Test2"),
    ]
    labels = tmp_path / "Labels" / "labels_consensus.csv"
    write(labels, CONSENSUS + "".join(f"{n},{e},4.2,3.0,2.5,{s},{g},{p}\n" for n, e, s, g, p in rows))
    for name, *_ in rows:
        wav(tmp_path / "Audios" / name)
    return tmp_path


def test_msp_podcast_keeps_its_partition_and_labels(podcast):
    clips = by_name(msp_podcast.read(podcast))
    assert [clip.label for clip in clips.values()] == ["anger", "", "contempt", "surprise", "neutral"]
    assert [clip.split for clip in clips.values()] == ["train", "train", "validation", "test", "test"]
    assert [clip.gender for clip in clips.values()] == ["m", "", "f", "f", "f"]
    assert clips["MSP-PODCAST_0001_0008"].extra == "set=Train;EmoAct=4.2;EmoVal=3.0;EmoDom=2.5"
    assert clips["MSP-PODCAST_0001_0019"].speaker == "unknown of MSP-PODCAST_0001"


def test_msp_podcast_takes_votes_and_transcripts_where_they_are(podcast):
    choices = ["Angry", "Angry", "Neutral", "Other-annoyed"]
    rows = "".join(f"MSP-PODCAST_0001_0008.wav,{choice},4\n" for choice in choices)
    write(podcast / "Labels" / "labels_detailed.csv", "FileName,EmoClass_Major,EmoAct\n" + rows)
    write(podcast / "Transcripts" / "MSP-PODCAST_0001_0008.txt", "No, not at all.\n")
    clip = by_name(msp_podcast.read(podcast))["MSP-PODCAST_0001_0008"]
    assert (clip.shares, clip.text) == ("anger:2 neutral:1 other:1", "No, not at all.")


def test_msp_podcast_reads_the_votes_of_older_releases(podcast):
    detail = '"WORKER00000005; Sad; Sad,Depressed; A:5.0; V:2.0; D:5.0;"'
    write(podcast / "Labels" / "labels_detailed.csv", f"FileName,EmoDetail\nMSP-PODCAST_0001_0008.wav,{detail}\n")
    assert by_name(msp_podcast.read(podcast))["MSP-PODCAST_0001_0008"].shares == "sadness:1"
    write(podcast / "Labels" / "labels_detailed.csv", "FileName,Mood\nMSP-PODCAST_0001_0008.wav,sad\n")
    with pytest.raises(SystemExit, match=r"labels_detailed.csv, line 2: neither EmoClass_Major nor EmoDetail"):
        msp_podcast.read(podcast)


def test_one_test_set_of_msp_podcast(podcast):
    clips = by_name(msp_podcast.read(podcast, test="Test2"))
    assert [name for name, clip in clips.items() if clip.split == "test"] == ["MSP-PODCAST_0004_0001"]
    with pytest.raises(SystemExit, match="no clip is of Test9"):
        msp_podcast.read(podcast, test="Test9")


def test_faults_of_msp_podcast(podcast):
    labels = podcast / "Labels" / "labels_consensus.csv"
    good = labels.read_text()
    (podcast / "Audios" / "MSP-PODCAST_0002_0033.wav").unlink()
    with pytest.raises(SystemExit, match=r"no such file: row 3 \(.*MSP-PODCAST_0002_0033.wav\)"):
        validate(msp_podcast.read(podcast), "here")
    labels.write_text(good.replace(",C,", ",Q,"))
    with pytest.raises(SystemExit, match=r"labels_consensus.csv, line 4: EmoClass 'Q' is none of A, C,"):
        msp_podcast.read(podcast)
    labels.write_text(good.replace("Development", "Dev"))
    with pytest.raises(SystemExit, match=r"line 4: Split_Set 'Dev' is none of Train"):
        msp_podcast.read(podcast)
    labels.write_text(good.replace("SpkrID", "Speaker"))
    with pytest.raises(SystemExit, match="no column SpkrID"):
        msp_podcast.read(podcast)
    labels.write_text(good.replace(",8,", ",127,"))
    (podcast / "Audios" / "MSP-PODCAST_0002_0033.wav").touch()
    with pytest.raises(SystemExit, match=r"MSP-PODCAST_0002_0033.wav: an empty file"):
        msp_podcast.read(podcast)
    wav(podcast / "Audios" / "MSP-PODCAST_0002_0033.wav")
    with pytest.raises(SystemExit, match="speaker '127' is in 'train'"):
        validate(msp_podcast.read(podcast), "here")
    with pytest.raises(SystemExit, match="not MSP-Podcast as published: no Audios in it"):
        msp_podcast.read(podcast / "Labels")


# IEMOCAP


@pytest.fixture
def sessions(tmp_path):
    """Five sessions with a turn a speaker, in the folder that the archive unpacks to."""
    start = tmp_path / "IEMOCAP_full_release"
    for session, emotion in zip(range(1, 6), ("exc", "neu", "fru", "xxx", "sur"), strict=True):
        dialogue = f"Ses0{session}F_impro01"
        lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"]
        for sex in "FM":
            name = f"{dialogue}_{sex}000"
            wav(start / f"Session{session}" / "sentences" / "wav" / dialogue / f"{name}.wav")
            lines += [f"[6.2901 - 8.2357]\t{name}\t{emotion}\t[2.5000, 3.0000, 2.0000]\n"]
            lines += ["C-E2:\tNeutral;\t()\n", "C-E3:\tExcited; Happiness;\t(so glad; really)\n", "C-E4:\tFrustration;\t()\n"]
            lines += ["C-F1:\tSadness;\t()\n", "A-E3:\tval 3; act 2; dom  2;\t()\n", "\n"]
        place = start / f"Session{session}" / "dialog"
        write(place / "EmoEvaluation" / f"{dialogue}.txt", "".join(lines))
        write(place / "EmoEvaluation" / "Categorical" / f"{dialogue}_e2_cat.txt", "not read\n")
        write(place / "transcriptions" / f"{dialogue}.txt", f"{dialogue}_F000 [006.2901-008.2357]: Excuse me.\n")
    return tmp_path


def test_iemocap_has_votes_text_and_a_session_left_out(sessions):
    clips = by_name(iemocap.read(sessions, test_session=5))
    assert len(clips) == 10
    clip = clips["Ses01F_impro01_F000"]
    assert (clip.label, clip.label_raw, clip.speaker, clip.gender) == ("happiness", "exc", "Ses01F", "f")
    assert (clip.text, clip.shares) == ("Excuse me.", "neutral:1 happiness:1 frustration:1")
    assert clip.extra == "val=2.5000;act=3.0000;dom=2.0000"
    assert [clips[f"Ses0{session}F_impro01_M000"].label for session in range(2, 6)] == ["neutral", "", "", "surprise"]
    assert {(clip.speaker, clip.split) for clip in clips.values() if clip.split != "train"} == {
        ("Ses05F", "test"),
        ("Ses05M", "test"),
        ("Ses01F", "validation"),
        ("Ses01M", "validation"),
    }


def test_faults_of_iemocap(sessions, tmp_path):
    with pytest.raises(SystemExit, match="no session 6: IEMOCAP has 1 to 5"):
        iemocap.read(sessions, test_session=6)
    start = sessions / "IEMOCAP_full_release"
    (start / "Session2" / "sentences" / "wav" / "Ses02F_impro01" / "Ses02F_impro01_M000.wav").unlink()
    with pytest.raises(SystemExit, match=r"no such file: row 4 \(.*Ses02F_impro01_M000.wav\)"):
        validate(iemocap.read(sessions), "here")
    file = start / "Session3" / "dialog" / "EmoEvaluation" / "Ses03F_impro01.txt"
    good = file.read_text()
    file.write_text(good.replace("fru", "mad"))
    with pytest.raises(SystemExit, match=r"Ses03F_impro01.txt: Ses03F_impro01_F000: emotion 'mad' is none of ang, hap"):
        iemocap.read(sessions)
    file.write_text(good.replace("\tSes03F_impro01_F000", "\tSes02F_impro01_F000"))
    with pytest.raises(SystemExit, match="'Ses02F_impro01_F000' is not a name of session 3"):
        iemocap.read(sessions)
    file.write_text(good.replace("\tfru", " fru"))
    with pytest.raises(SystemExit, match=r"Ses03F_impro01.txt, line 2: not times, name, emotion"):
        iemocap.read(sessions)
    file.unlink()
    with pytest.raises(SystemExit, match=r"Session3: no dialog/EmoEvaluation/Ses\*.txt in it"):
        iemocap.read(sessions)
    file.write_text(good)
    (start / "Session4").rename(start / "Session9")
    with pytest.raises(SystemExit, match="no Session4"):
        iemocap.read(sessions)


# MELD


@pytest.fixture
def friends(tmp_path):
    """The three tables where the archive has them; the clips of one split as FLAC in a folder of the other usual name."""
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
    rows = {
        "train/train_sent_emo.csv": '1,"and then, well\x92s",Chandler,neutral,n,0,0,8,21,0,1\n2,x,Joey,joy,n,125,3,1,1,0,1\n',
        "dev_sent_emo.csv": "1,Oh my God!,Phoebe,surprise,n,0,0,4,7,0,1\n2,What?,Joey,neutral,n,110,7,1,1,0,1\n",
        "test_sent_emo.csv": "1,Why?,Chandler,fear,negative,0,0,1,1,0,1\n",
    }
    for name, text in rows.items():
        write(tmp_path / "MELD.Raw" / name, header + text)
    for place in ("train/train_splits/dia0_utt0.wav", "dev/dia0_utt0.flac", "output_repeated_splits_test/dia0_utt0.wav"):
        wav(tmp_path / "MELD.Raw" / place)
    return tmp_path


def test_meld_refuses_shared_speakers_unless_told(friends):
    with pytest.raises(SystemExit, match=r"1 speakers are in more than one official split \(Chandler\).*--speakers-by-split"):
        meld.read(friends)
    clips = meld.read(friends, speakers_by_split=True)
    validate(clips, "here")
    assert [clip.speaker for clip in clips] == ["Chandler (train)", "Phoebe (validation)", "Chandler (test)"]
    assert [clip.label for clip in clips] == ["neutral", "surprise", "fear"]
    assert [clip.path.parent.name for clip in clips] == ["train_splits", "dev", "output_repeated_splits_test"]
    assert clips[0].text == "and then, well’s"  # noqa: RUF001


def test_faults_of_meld(friends):
    table = friends / "MELD.Raw" / "test_sent_emo.csv"
    good = table.read_text()
    table.write_text(good.replace("fear", "scared"))
    with pytest.raises(SystemExit, match=r"test_sent_emo.csv, line 2: emotion 'scared' is none of anger"):
        meld.read(friends, speakers_by_split=True)
    table.write_text(good.replace(",0,0,1,1,", ",0,9,1,1,"))
    with pytest.raises(SystemExit, match=r"no such file: row 3 \(.*dia0_utt9"):
        validate(meld.read(friends, speakers_by_split=True), "here")
    table.unlink()
    with pytest.raises(SystemExit, match=r"not MELD \(test\) as published: no test_sent_emo.csv in it"):
        meld.read(friends, speakers_by_split=True)
