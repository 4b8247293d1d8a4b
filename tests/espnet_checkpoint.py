"""A small random XEUS as ESPnet saves one: config.yaml and a .pth. Needs ESPnet."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
import yaml
from espnet2.tasks.ssl import SSLTask

# XEUS's parts (E-Branchformer on wav2vec 2.0's convolutions, pre-trained by masking), 32 wide.
CONFIG: dict[str, Any] = {
    "token_list": ["a", "b"],
    "input_size": None,
    "frontend": "wav2vec_cnn",
    "frontend_conf": {
        "norm_mode": "layer_norm",
        "conv_mode": "standard",
        "bias": True,
        "normalize_audio": True,
        "shapes": [[16, 10, 5], [16, 3, 2], [16, 3, 2], [16, 3, 2], [16, 3, 2], [16, 2, 2], [16, 2, 2]],
    },
    "specaug": None,
    "normalize": None,
    "preencoder": "linear",
    "preencoder_conf": {"output_size": 32, "dropout": 0.1},
    "encoder": "e_branchformer",
    "encoder_conf": {
        "output_size": 32,
        "attention_heads": 2,
        "attention_layer_type": "selfattn",
        "pos_enc_layer_type": "conv",
        "rel_pos_type": "latest",
        "cgmlp_linear_units": 48,
        "cgmlp_conv_kernel": 7,
        "num_blocks": 3,
        "input_layer": None,
        "linear_units": 48,
        "use_ffn": True,
        "macaron_ffn": True,
        "use_flash_attn": False,
        "dropout_rate": 0.1,
    },
    "loss": [{"name": "hubert", "conf": {"num_classes": 2, "final_dim": 8}}],
    "util": [{"name": "mask", "conf": {"mask_prob": 0.65}}],
    "model": "espnet",
    "model_conf": {},
    "init": None,
}


def save_small_xeus(folder: Path) -> Any:
    """Write config.yaml and checkpoint into a folder; return the model."""
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    model = SSLTask.build_model(Namespace(**yaml.safe_load((folder / "config.yaml").read_text())))
    torch.save(model.state_dict(), folder / "xeus_checkpoint_new.pth")
    return model
