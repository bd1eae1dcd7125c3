"""Image pool: discriminators see a history of fakes, not only the latest (Shrivastava et al., CVPR 2017)."""

from __future__ import annotations

import torch
from torch import Tensor


class ImagePool:
    """Up to `size` generated images; 0 returns every image unchanged.

    Fills first; then, for each image independently, with probability ½ a random old one is returned and replaced by the
    new one. Draws from torch's CPU generator, which the loop seeds anew each step.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fake: Tensor) -> Tensor:
        """Exchange a batch (NCHW) for one of the same size, some of it older; detached."""
        if self.size == 0:
            return fake.detach()
        handed = []
        for image in fake.detach():
            if len(self.images) < self.size:
                self.images.append(image.clone())
                handed.append(image)
            elif torch.rand(()).item() < 0.5:
                place = int(torch.randint(self.size, ()).item())
                handed.append(self.images[place])
                self.images[place] = image.clone()
            else:
                handed.append(image)
        return torch.stack(handed)

    def most_bytes(self, channels: int, side: int) -> int:
        """Bytes of a full pool of square float32 images."""
        return 4 * self.size * channels * side * side

    def state(self) -> list[Tensor]:
        """The images on the CPU, oldest first."""
        return [image.cpu() for image in self.images]

    def load_state(self, images: list[Tensor], device: torch.device) -> None:
        """Restore the result of `state()`."""
        self.images = [image.to(device) for image in images]
