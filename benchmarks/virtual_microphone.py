"""A microphone made of software: a private PulseAudio server whose source hears what is played into its sink.

Used by `benchmarks.listen` and by the tests. Needs Debian's libportaudio2, pulseaudio, pulseaudio-utils, libasound2-plugins.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

PROGRAMS = ("pulseaudio", "pactl", "paplay")
START = 10.0  # seconds that the server may take


def missing() -> str | None:
    """What a virtual microphone lacks on this machine, in words; None if nothing."""
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if ctypes.util.find_library("portaudio") is None:
        lacking.append("libportaudio2")
    return f"not installed: {', '.join(lacking)}" if lacking else None


class VirtualMicrophone:
    """A PulseAudio server with one microphone, which PortAudio offers as `pulse` and `default`.

    Args:
        rate: samples a second of the sink that is played into.
        channels: the microphone's channels.
    """

    def __init__(self, rate: int = 16_000, channels: int = 1) -> None:
        self._rate = rate
        self._channels = channels
        self._folder = Path(tempfile.mkdtemp(prefix="vmic."))
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For the processes that listen or play."""
        socket = f"unix:{self._folder}/pulse.sock"
        return {**os.environ, "XDG_RUNTIME_DIR": str(self._folder), "PULSE_SERVER": socket, "HOME": str(self._folder)}

    def __enter__(self) -> VirtualMicrophone:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server, also again after `stop`.

        Raises:
            RuntimeError: it does not answer within 10 s.
        """
        script = self._folder / "pulse.pa"
        script.write_text(
            f"load-module module-native-protocol-unix auth-anonymous=1 socket={self._folder}/pulse.sock\n"
            f"load-module module-null-sink sink_name=played rate={self._rate} channels={self._channels} format=s16le\n"
            "load-module module-remap-source source_name=microphone master=played.monitor\n"
            "set-default-source microphone\n"
            "set-default-sink played\n"
        )
        options = ["--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no", "--log-target=stderr"]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(script), *options], env=self.environment, stdout=log, stderr=log
            )
        end = time.monotonic() + START
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode:
            if time.monotonic() > end or self._server.poll() is not None:
                raise RuntimeError(f"pulseaudio does not answer:\n{(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the server at once: to a listener the microphone is gone."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Start to play a WAV file into the microphone, in real time."""
        return subprocess.Popen(["paplay", "--device=played", str(path)], env=self.environment)
