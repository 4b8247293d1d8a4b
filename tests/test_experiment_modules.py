"""The experiments themselves: their cells are systems that exist, and the small networks of some of them learn."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from train.corpora import Clip
from train.experiments import encoders, ensemble, f0_bins, fusion, grids, layers, mdat, overfitting, prosody, streams, text, windows
from train.experiments.cells import Cell, NotRun
from train.experiments.pooled import Pooled, Truth
from train.systems.scores import Predictions
from train.systems.system import Widths

SEEDS = [1, 2, 3]
WIDTHS = Widths(audio=512, text=384)
GRIDS = {"fusion": fusion, "prosody": prosody, "f0-bins": f0_bins, "mdat": mdat, "overfitting": overfitting}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", GRIDS)
def test_every_cell_of_a_grid_is_a_system_and_has_its_own_name(name):
    module = GRIDS[name]
    cells = module.cells(SEEDS)
    assert len({(cell.name, cell.seed) for cell in cells}) == len(cells)
    assert {cell.seed for cell in cells} == set(SEEDS)
    names = {cell.name for cell in cells}
    references = {module.REFERENCE} if isinstance(module.REFERENCE, str) else {*module.REFERENCE, *module.REFERENCE.values()}
    assert references <= names
    for cell in cells[:: len(SEEDS)]:
        assert grids.parameters_of(cell.settings, WIDTHS) > 1000
        assert grids.config_of(cell.settings, 7).training.seed == 7


def test_the_wider_concatenation_has_the_parameters_of_mdat():
    settings = {cell.name: cell.settings for cell in mdat.cells([1])}
    wanted = grids.parameters_of(settings[mdat.REFERENCE], WIDTHS)
    assert grids.parameters_of(settings["concatenation, as many parameters"], WIDTHS) == pytest.approx(wanted, rel=0.05)
    assert settings["as the paper's code"]["fusion.masked"] is False


def test_each_fusion_gets_the_same_rates_and_the_better_one_on_validation_is_taken(monkeypatch):
    efforts = {tuple(cell.settings[grids.RATES]) for cell in fusion.cells(SEEDS)}
    assert len(efforts) == 1
    asked = []

    def trained(config):
        asked.append((config.training.learning_rate, config.training.seed))
        return config

    monkeypatch.setattr(grids, "trained", trained)
    monkeypatch.setattr(grids, "validation_of", lambda config: -config.training.learning_rate)
    monkeypatch.setattr(grids, "outcome_of_run", lambda cell, config: config)
    done = grids.run(fusion.cells(SEEDS)[2])
    assert done.training.learning_rate == min(fusion.TRIED)
    assert asked == [*((rate, 1) for rate in fusion.TRIED), (min(fusion.TRIED), 3)]


def made_up(count: int, seed: int, telling: int = 1) -> Pooled:
    """Clips of two corpora whose label shows in one layer of three only."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, count)
    features = rng.normal(size=(count, 3, 8)).astype(np.float32)
    features[np.arange(count), telling, labels] += 4
    corpora = rng.choice(["one", "two"], count)
    return Pooled(features, Truth(labels, corpora, rng.choice(["a", "b", "c"], count)))


@pytest.fixture
def _made_up_layers(monkeypatch):
    parts = {split: made_up(300, number) for number, split in enumerate(("train", "validation", "test"))}
    monkeypatch.setattr(layers, "pooled_layers", lambda encoder, split: parts[split])
    monkeypatch.setattr(layers, "DEPTH", 3)
    monkeypatch.setattr(layers, "EPOCHS", 30)
    monkeypatch.setattr(layers, "RATE", 5e-3)


@pytest.mark.usefixtures("_made_up_layers")
def test_the_layer_that_tells_is_found_and_the_mix_finds_it_too(capsys):
    cells = layers.cells([1, 2])
    assert [cell.name for cell in cells if cell.seed == 2] == ["learned mix of 6"]
    scores = {cell.name: layers.run(cell).scores for cell in cells if cell.seed == 1}
    assert scores["2"]["macro-F1"] > 0.85 > 0.5 > scores["1"]["macro-F1"]
    assert scores["2"]["validation"] > 0.85
    assert scores["1 + 2"]["macro-F1"] > 0.8
    torch.manual_seed(0)
    mix = layers.fit_mix(made_up(300, 0), made_up(300, 1), seed=1)
    assert mix.shares().argmax() == 1
    assert scores["learned mix of 6"]["macro-F1"] > 0.8


def test_mistakes_of_layers_count_by_speaker():
    part = made_up(50, 0)
    tables = part.truth.tables(part.truth.labels)
    assert sorted(tables) == [f"{corpus}/{speaker}" for corpus in ("one", "two") for speaker in "abc"]
    assert sum(np.sum(table) for table in tables.values()) == 50


def some_clips(per_group: int = 6) -> list[Clip]:
    groups = [(speaker, label) for speaker in ("a", "b") for label in ("anger", "sadness")]
    return [Clip("toy", None, label, label, speaker, "", "en", 2.0, "") for speaker, label in groups for _ in range(per_group)]


def test_streams_hold_one_speaker_and_label_and_are_long_enough():
    clips = [*some_clips(), Clip("toy", None, "fear", "fear", "a", "", "en", 2.0, "")]
    seconds = np.full(len(clips), 2.0)
    found = streams.streams_of(clips, seconds, 10, np.random.default_rng(0))
    assert len(found) == 10
    assert {(stream.speaker, stream.label) for stream in found} == {(clip.speaker, clip.label) for clip in clips[:-1]}
    for stream in found:
        assert {(clips[row].speaker, clips[row].label) for row in stream.clips} == {(stream.speaker, stream.label)}
        assert seconds[list(stream.clips)].sum() >= streams.LONGEST
        assert len(set(stream.clips)) == len(stream.clips)
    assert len({stream.clips[0] for stream in found}) == 10
    assert len(streams.streams_of(clips, seconds, 1000, np.random.default_rng(0))) == len(clips) - 1


def test_prefixes_to_learn_have_random_lengths_and_no_more_clips_than_they_need():
    clips, rng = some_clips(), np.random.default_rng(0)
    found = [streams.prefix_to_learn(clips, np.full(len(clips), 2.0), rng) for _ in range(200)]
    lengths = np.array([length for _, length in found])
    assert lengths.min() < 0.6
    assert lengths.max() > 6
    assert all(len(stream.clips) == np.ceil(length / 2) for stream, length in found)


def beginnings(count: int, seed: int) -> streams.Prefixes:
    """Three lengths; the label shows in the nodes."""
    rng = np.random.default_rng(seed)
    labels, seconds = rng.integers(0, 3, count), rng.choice(np.float32([0.5, 1.0, 2.0]), count)
    nodes = [rng.normal(size=(max(1, round(12.5 * length)), 3, 16)) for length in seconds]
    for values, label in zip(nodes, labels, strict=True):
        values[:, :, label] += 4
    return streams.Prefixes(
        np.concatenate(nodes).astype(np.float16),
        np.concatenate([[0], np.cumsum([len(values) for values in nodes])]),
        seconds,
        Truth(labels, np.full(count, "toy"), rng.choice(["a", "b"], count)),
    )


def test_windows_score_each_length_with_one_training(monkeypatch):
    parts = {split: beginnings(128, number) for number, split in enumerate(("train", "validation", "test"))}
    asked = []
    monkeypatch.setattr(windows, "prefixes_of", lambda split: asked.append(split) or parts[split])
    monkeypatch.setattr(windows, "EPOCHS", 15)
    monkeypatch.setattr(windows, "WINDOWS", (0.5, 1.0, 2.0))
    windows._trained.cache_clear()
    found = [windows.run(Cell("row", 1, {"seconds": seconds, "age": True})) for seconds in (0.5, 2.0)]
    windows._trained.cache_clear()
    assert asked.count("train") == 1
    assert found[1].scores["share"] == 1
    assert found[1].scores["macro-F1"] > 0.8
    counted = sum(np.sum(table) for table in found[0].by_speaker["macro-F1"].values())
    assert counted == (parts["test"].seconds == 0.5).sum()


def test_windows_are_compared_with_and_without_age():
    names = {cell.name for cell in windows.cells(SEEDS)}
    assert set(windows.REFERENCE) | set(windows.REFERENCE.values()) == names
    assert len(names) == 14


def test_encoders_that_are_not_at_hand_make_no_claim(monkeypatch):
    cells = encoders.cells(SEEDS)
    large = [cell for cell in cells if cell.settings[encoders.AUDIO] not in encoders.MEASURED]
    assert {cell.name for cell in large} >= {"whisper-large-v3", "wavlm-large", "hubert-large", "wav2vec2-large", "xeus"}
    monkeypatch.setattr(encoders, "clips_of", lambda corpus, split: some_clips())
    monkeypatch.setattr(encoders, "read_audio", lambda path: np.random.default_rng(0).normal(size=16_000).astype(np.float32))
    assert isinstance(encoders.run(large.pop()), NotRun)
    for cell in large:
        found = encoders.run(cell)
        assert found.real is False
        assert found.scores == {}
    for cell in cells[: -len(large) - 1]:
        assert grids.config_of({**encoders.PAPER, **cell.settings}, 1).fusion.kind == "pooled"


class Decider:
    """A finished run that decides as it is told."""

    def __init__(self, name: str, right: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.folder, self.reads, self.metrics = name, True, {"parameters": 10, "seconds": 2.0}
        truth = np.random.default_rng(0)
        self.labels, self.speakers = truth.integers(0, 4, 400), truth.choice(["a", "b", "c"], 400)
        decided = np.where(rng.random(400) < right, self.labels, rng.integers(0, 7, 400))
        self.log_posteriors = np.log(np.eye(7)[decided] * 0.7 + 0.05).astype(np.float32)

    def predictions(self, split: str, words: bool = True) -> Predictions:
        return Predictions(self.log_posteriors, self.labels, self.speakers, np.full(400, "toy"))

    def system(self) -> torch.nn.Module:
        return torch.nn.Linear(3, 3)


def test_an_ensemble_ranks_chooses_and_decides_together(monkeypatch):
    skills = dict(zip(ensemble.systems(1), (0.5, 0.6, 0.55, 0.75, 0.6, 0.1), strict=True))
    runs = {name: Decider(name, right, number) for number, (name, right) in enumerate(skills.items())}
    by_system = {str(cell): runs[name] for name, cell in ensemble.systems(1).items()}
    monkeypatch.setattr(ensemble, "trained", lambda system: by_system[str(system)])
    ranked = ensemble.by_validation(list(runs.values()))
    assert ranked[0].folder == "mdat"
    assert ranked[-1].folder == "mdat, F0 quantised"
    outcomes = {cell.name: ensemble.run(cell) for cell in ensemble.cells([1]) if "system" not in cell.settings}
    alone = outcomes[ensemble.BEST].scores["sound"]
    assert outcomes["mean of all posteriors"].scores["sound"] > alone
    assert outcomes["mean of all posteriors"].parameters == 60
    greedy = ensemble.chosen(ranked, "mean", "greedy")
    assert greedy[0] is ranked[0]
    assert len(greedy) >= 3
    assert outcomes["greedy choice, mean of posteriors"].scores["words"] > alone


def test_late_words_move_the_sound_only_as_far_as_their_weight(monkeypatch):
    alone = Decider("mdat", 0.5, 1)
    said = np.log(np.eye(7)[alone.labels] * 0.9 + 0.01)
    monkeypatch.setattr(text, "evidence", lambda split, spread: said)
    none, much = (grids.macro_f1(grids.tables_of(text.joined(alone, "test", text.LATE, weight))) for weight in (0.0, 1.0))
    assert much > 0.95 > none
    monkeypatch.setattr(grids, "trained", lambda config: alone)
    found = {cell.name: text.run(cell).scores for cell in text.cells([1])}
    assert found[text.LATE]["sound"] == found[text.ALONE]["sound"]
    assert found[text.LATE]["words"] > 0.95
    assert found[text.LATE]["weight"] in text.WEIGHTS


def test_sentences_say_nothing_where_there_are_none(monkeypatch):
    rows = np.array([2, -1, 0])
    parts = SimpleNamespace(parts=lambda config, split: [SimpleNamespace(sentences=rows)])
    monkeypatch.setattr(grids, "DATA_READ", parts)
    sure = np.full((3, 7), 0.02, np.float32)
    sure[[0, 1, 2], [0, 3, 4]] = 0.88
    monkeypatch.setattr(text, "sentence_probabilities", lambda split: sure)
    text.evidence.cache_clear()
    found = text.evidence("test", True)
    plain = text.evidence("test", False)
    text.evidence.cache_clear()
    assert found[0].argmax() == 4
    assert not found[1].any()
    assert not plain[1].any()
    assert np.ptp(found[2]) < 0.2  # neutral words
    assert plain[2].argmax() == 0
