"""The full-size system's logic at a small size: shapes, schedule, both backends, the refusal of CUDA."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks.paper import command
from benchmarks.paper.backends import onnx_run, outputs_of, torch_run
from benchmarks.paper.networks import POSITIONS, Roberta, WhisperDecoder, WhisperEncoder
from benchmarks.paper.system import SCALES, build, tokens_in


def numbers(network: torch.nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def test_full_sizes_are_the_published_ones() -> None:
    scale = SCALES["full"]
    with torch.device("meta"):
        whisper = numbers(WhisperEncoder(scale.whisper, scale.mels)) + numbers(WhisperDecoder(scale.whisper))
        roberta = numbers(Roberta(scale.roberta))
    assert whisper / 1e6 == pytest.approx(1543.5, abs=1)
    assert roberta / 1e6 == pytest.approx(354.3, abs=0.5)  # without the pooler of its pre-training


@pytest.mark.parametrize("step", [0.25, 0.4, 0.5, 1.0])
def test_twelve_tokens_a_second(step: float) -> None:
    assert sum(tokens_in(step, number) for number in range(round(10 / step))) == 120


def test_the_decoder_hears_only_what_came_before() -> None:
    built = build(SCALES["small"], 1.0, torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        outputs_of(built.token, built.tensors)
        before = built.tensors["kept"].clone()
        built.tensors["words"][..., int(built.tensors["position"]) :, :] = 100.0
        outputs_of(built.token, built.tensors)
        assert torch.equal(built.tensors["kept"], before)
        built.tensors["words"][..., 0, :] = 100.0
        outputs_of(built.token, built.tensors)
        assert not torch.equal(built.tensors["kept"], before)
    assert built.tensors["words"].shape[3] == POSITIONS


def test_onnx_gives_what_torch_gives(tmp_path) -> None:
    torch.backends.mha.set_fastpath_enabled(False)
    built = build(SCALES["small"], 1.0, torch.device("cpu"), torch.float32)
    tensors = built.tensors
    with torch.inference_mode():
        for part in (built.front, *built.step, built.sound, built.token):
            outputs_of(part, tensors)
            torch_run(part, tensors, graphed=False)()
            expected = [tensors[name].clone() for name in part.outputs]
            if part is built.front:
                continue
            run = onnx_run(part, tensors, tmp_path)
            for name in part.outputs:
                tensors[name].zero_()
            run()
            for name, value in zip(part.outputs, expected, strict=True):
                assert torch.allclose(tensors[name].float(), value.float(), atol=1e-3, rtol=1e-3), part.name


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_command(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--scale", "small", "--steps", "2", "--window", "1", "--backend", backend])
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    stages = report["milliseconds"]
    assert [*stages] == [
        *("spectrograms", "Whisper encoder", "RMVPE", "CED", "RoBERTa", "MDAT"),
        command.ALL,
        command.BESIDE,
    ]
    assert all(row["median"] <= row["p95"] <= row["p99"] <= row["worst"] for row in stages.values())


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no figures for CUDA"):
        command.main(["--accelerator", "cuda", "--scale", "small"])
