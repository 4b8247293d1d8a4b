"""`streamser check`: what it makes of an installation."""

from __future__ import annotations

import pytest

from streamser.cli import check
from streamser.cli.check import Finding, judge_libraries, judge_runtime
from streamser.cli.main import main

CPU = ["AzureExecutionProvider", "CPUExecutionProvider"]
CUDA = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


def test_the_cpu_runtime_over_the_gpu_one_is_wrong_and_the_mending_command_is_named() -> None:
    finding = judge_runtime(gpu_installed=True, providers=CPU)
    assert finding.state == "wrong"
    assert finding.text.endswith("pip install --no-deps --force-reinstall onnxruntime-gpu")
    assert judge_runtime(gpu_installed=True, providers=CUDA).state == "ok"
    assert judge_runtime(gpu_installed=False, providers=CPU).state == "ok"


def test_missing_cuda_libraries_are_named() -> None:
    runtime, decoder = judge_libraries(["libcublas.so.13"], ["libcublas.so.12"])
    assert (runtime.state, decoder.state) == ("wrong", "note")
    assert "libcublas.so.13" in runtime.text
    assert runtime.text.endswith("pip install nvidia-cublas~=13.0")
    assert "libcublas.so.12" in decoder.text
    assert "pip install nvidia-cublas-cu12" in decoder.text
    assert [finding.state for finding in judge_libraries([], [])] == ["ok", "ok"]


def test_a_wrong_finding_is_exit_code_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("check_packages", "check_runtime", "check_cuda_libraries", "check_microphones"):
        monkeypatch.setattr(check, name, lambda: [Finding("note", "not looked at")])
    assert main(["check", "--pack", "nowhere"]) == 1
    out = capsys.readouterr().out
    assert "wrong  no pack 'nowhere'" in out
    assert "wrong  recognition fails: no pack 'nowhere'" in out


def test_packages_that_are_missing_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "installed_version", lambda name: None if name in ("rich", "onnxruntime-gpu") else "1.0")
    findings = check.check_packages()
    assert [finding.text for finding in findings if finding.state == "wrong"] == ["rich is not installed: pip install rich"]
