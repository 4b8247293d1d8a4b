"""CUDA where there is none: what is said, and that nothing is loaded that would abort."""

from __future__ import annotations

import ctypes.util
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest

from export import cuda
from streamser import cuda_libraries, sessions
from streamser.batching import BatchedSession
from streamser.binding import BoundSession
from streamser.cli.main import main
from streamser.errors import AcceleratorError, UsageError
from streamser.features.pitch import USUAL
from streamser.packs.resolve import find_pack
from streamser.sessions import open_session, resolve_accelerator

WITH_CUDA = ["CUDAExecutionProvider", "CPUExecutionProvider"]
REFUSED = "CUDA was asked for, but "


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is asked once a process is asked again; and warnings go where nobody has set up logging, whatever tests did before."""
    package_log = logging.getLogger("streamser")
    monkeypatch.setattr(package_log, "propagate", True)
    monkeypatch.setattr(package_log, "handlers", [])
    for function in (cuda_libraries.runtime_problem, sessions.warn_once):
        function.cache_clear()
    yield
    for function in (cuda_libraries.runtime_problem, sessions.warn_once):
        function.cache_clear()


@pytest.fixture
def gpu_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime-gpu is installed and offers CUDA."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: WITH_CUDA)
    monkeypatch.setattr(cuda_libraries, "_installed", lambda name: True)
    monkeypatch.setattr(cuda_libraries.sys, "platform", "linux")


def lacking(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    monkeypatch.setattr(cuda_libraries, "missing_libraries", lambda names: [name for name in names if name in missing])


def test_a_runtime_without_cuda_is_refused_and_auto_says_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(cuda_libraries, "_installed", lambda name: False)
    assert resolve_accelerator("auto") == resolve_accelerator("cpu") == "cpu"
    assert not caplog.records
    with pytest.raises(AcceleratorError, match=r"no CUDA provider: pip install 'streamser\[gpu\]'"):
        resolve_accelerator("cuda")
    with pytest.raises(UsageError, match="choose auto, cpu or cuda"):
        resolve_accelerator("tpu")


def test_the_cpu_runtime_over_the_gpu_one_is_told_even_by_auto(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(cuda_libraries, "_installed", lambda name: True)
    assert [resolve_accelerator("auto") for _ in range(3)] == ["cpu"] * 3
    (record,) = caplog.records  # once, not for each network
    assert record.getMessage().endswith("pip install --no-deps --force-reinstall onnxruntime-gpu")


@pytest.mark.usefixtures("gpu_wheel")
@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["libcuda.so.1"], "there is no NVIDIA driver"),
        (
            ["libcublasLt.so.13", "libcublas.so.13", "libcudnn.so.9"],
            "onnxruntime-gpu lacks libcublasLt.so.13, libcublas.so.13, libcudnn.so.9: "
            "pip install nvidia-cublas~=13.0 nvidia-cudnn-cu13",
        ),
    ],
)
def test_missing_libraries_refuse_before_anything_is_opened(
    missing: list[str], said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lacking(monkeypatch, *missing)
    monkeypatch.setattr(cuda_libraries, "cuda_major", lambda: 13)
    assert open_session(find_pack("default").file("pitch"), "auto").get_providers() == ["CPUExecutionProvider"]
    assert said in caplog.text
    with pytest.raises(AcceleratorError) as error:
        open_session(find_pack("default").file("pitch"), "cuda")
    assert str(error.value).startswith(REFUSED + said)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("gpu_wheel")
def test_a_command_refuses_with_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lacking(monkeypatch, "libcuda.so.1")
    assert main(["recognize", "examples/hello.flac", "--accelerator", "cuda"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"streamser: {REFUSED}there is no NVIDIA driver")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("gpu_wheel")
@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_a_session_that_falls_back_is_refused_or_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Every library is there, and still onnxruntime has no CUDA for this graph."""
    lacking(monkeypatch)
    pitch = find_pack("default").file("pitch")
    with pytest.raises(AcceleratorError, match=r"pitch\.onnx"):
        open_session(pitch, "cuda")
    assert open_session(pitch, "auto").get_providers() == ["CPUExecutionProvider"]
    assert "pitch.onnx" in caplog.text


@pytest.mark.usefixtures("gpu_wheel")
def test_what_runs_how_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CPU in CUDA's place: a batch axis is batched, repeated shapes are bound and recorded where onnxruntime can."""
    lacking(monkeypatch)
    pack = find_pack("default")
    opened: list[bool] = []
    refuses = False

    # Where no CUDA is, buffers are the CPU's.
    monkeypatch.setattr(sessions, "BoundSession", lambda session, device, recorded=None: BoundSession(session, "cpu", recorded))

    def cuda_session(path: Path, threads: int, shapes: sessions.Shapes, recorded: bool) -> object:
        opened.append(recorded)
        if recorded and refuses:
            raise AcceleratorError("a node of the CPU's")
        return sessions._on_cpu(path, threads, shapes)

    monkeypatch.setattr(sessions, "_cuda_session", cuda_session)
    assert isinstance(open_session(pack.file("fusion"), "cuda", shapes="masked"), BatchedSession)
    assert opened == [False]
    bound = open_session(pack.file("spectral"), "cuda", shapes="fixed")
    assert isinstance(bound, BoundSession)
    assert bound.recorded
    refuses = True
    bound = open_session(pack.file("pitch"), "cuda", usual=USUAL)
    assert isinstance(bound, BoundSession)
    assert not bound.recorded
    assert isinstance(open_session(pack.file("text"), "cuda"), onnxruntime.InferenceSession)


def test_libraries_are_found_in_nvidias_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = next((path for path in Path(ctypes.__file__).parent.parent.glob("lib-dynload/_*.so")), None)
    if real is None:
        pytest.skip("no shared library to stand in for cuBLAS")
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "libstreamser-stand-in.so.12"
    assert cuda_libraries.missing_libraries((name,)) == [name]
    shutil.copyfile(real, folder / name)
    assert cuda_libraries.in_wheels(name) == [folder / name]
    assert cuda_libraries.missing_libraries((name, "libnowhere.so.1")) == ["libnowhere.so.1"]
    broken = "libstreamser-broken.so.12"
    (folder / broken).write_bytes(b"no library")
    assert cuda_libraries.missing_libraries((broken,)) == [broken]


def test_the_libraries_follow_the_cuda_that_onnxruntime_was_built_for() -> None:
    assert "libcublas.so.12" in cuda_libraries.runtime_libraries(12)
    assert cuda_libraries.mend_libraries(["libcudart.so.12", "libcufft.so.11"], 12) == (
        "pip install nvidia-cuda-runtime-cu12 nvidia-cufft-cu12"
    )
    assert {"libcublas.so.13", "libcufft.so.12", "libcudnn.so.9"} <= set(cuda_libraries.runtime_libraries(13))


@pytest.mark.skipif(cuda_libraries.runtime_problem() is not None, reason="there is no CUDA here")
def test_cuda_says_what_the_cpu_says() -> None:
    """The same pack, float32 on both; needs a GPU."""
    folder = find_pack("default").folder
    found = cuda.compare(folder, folder, [cuda.EXAMPLE], "cuda")
    assert found["states_equal"] == 1.0
    assert found["labels_equal"] >= cuda.LEAST_AGREEMENT
    assert found["mean_difference"] < cuda.LARGEST_MEAN
