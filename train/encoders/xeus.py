"""XEUS (Chen et al. 2024, arXiv 2407.00837), loaded by ESPnet, which is an extra of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

SHORTEST = 640  # samples; the convolutions need 400


class Xeus:
    """A frozen XEUS, or another model of ESPnet's SSLTask, on clips; an `AudioEncoder`.

    The states are those after each block, the last without the final normalisation, as arXiv 2506.02088 takes them
    (`use_final_output=False`). They are asked of `inference_encode`: `encode` of ESPnet 202511 masks frames at random, as in
    pre-training, whatever mode the model is in.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Load a folder with `config.yaml` and one checkpoint, or with these in `model`, as on the hub (espnet/xeus).

        Raises:
            SystemExit: ESPnet or a file is missing.
        """
        config, checkpoint = xeus_files(folder)
        try:
            from espnet2.tasks.ssl import SSLTask
        except ImportError as error:
            raise SystemExit(
                f"XEUS needs ESPnet: pip install 'streamser[espnet]' torchaudio, best in a new environment ({error})"
            ) from None
        model, _ = SSLTask.build_model_from_file(config, checkpoint, str(device))
        self._model = model.eval()
        self._device = device
        self.width, self.depth = int(model.encoder.output_size()), len(model.encoder.encoders)

    @torch.inference_mode()
    def encode(self, samples: np.ndarray) -> np.ndarray:
        """See `AudioEncoder.encode`; the last layer is not normalised."""
        padded = torch.from_numpy(np.pad(samples, (0, max(0, SHORTEST - len(samples)))))[None].to(self._device)
        lengths = torch.tensor([padded.shape[1]], device=self._device)
        _, layers, _ = self._model.inference_encode(padded, lengths, use_mask=False, use_final_output=False)
        return torch.stack([layer[0] for layer in layers], dim=1).float().cpu().numpy()


def xeus_files(folder: Path) -> tuple[Path, Path]:
    """(config.yaml, checkpoint) of a folder.

    Raises:
        SystemExit: there is none, or more than one checkpoint of which none is the newer XEUS.
    """
    inner = folder / "model" if (folder / "model" / "config.yaml").is_file() else folder
    config = inner / "config.yaml"
    found = sorted(inner.glob("*.pth"))
    found = [path for path in found if path.stem.endswith("_new")] or found  # the hub has two; config.yaml is the newer one's
    if not config.is_file() or len(found) != 1:
        raise SystemExit(f"{inner} must hold config.yaml and one .pth of XEUS; it has {[path.name for path in found]}")
    return config, found[0]
