"""The same training samples by kornia: what a user of torch would take for augmentation.

Records are decoded and placed by this project, so that the dice are the same. kornia then samples the image once, in
floating point, so that the pixels differ where the picture has edges.
"""

import numpy as np
import torch
from kornia.geometry.transform import warp_affine

from cpm_repro.samples.transformer import Placed

from ..labels import torch_maps
from .one_warp import whole_matrix


def kornia_sample(placed: Placed, data: np.ndarray, label: np.ndarray) -> None:
    """Fill data (4, crop, crop) and label (2 (P+1), crop / 8, crop / 8), float32, with the release's peaks."""
    crop, pose = data.shape[1], placed.pose
    image = torch.from_numpy(np.array(placed.image.transpose(2, 0, 1), np.float32, order="C"))[None]
    matrix = torch.from_numpy(whole_matrix(placed.geometry, crop))[None]
    grey = torch.full((3,), 128.0)
    pixels = warp_affine(image, matrix, (crop, crop), "bicubic", "fill", fill_value=grey)[0]
    data[:3] = ((pixels.clamp(0, 255) - 128) / 256).numpy()
    label[...], data[3] = torch_maps(torch.from_numpy(pose.joints), torch.from_numpy(pose.objpos[0]), crop)
