"""A generator with its encoder: pictures of faces to codes in W+, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reage.errors import LatentError
from reage.faces.squares import FaceCrop
from reage.images import to_tensor
from reage.inversion.encoding import AnyEncoder, encode
from reage.inversion.hypernetwork import hypertune
from reage.inversion.projection import Inversion, ProjectConfig, ProjectStep, project
from reage.inversion.tuning import TuneConfig, Tuned, TunedCode, apply_difference, tune
from reage.models.checkpoints import ENCODER_FILE, Alignment, Model
from reage.models.encoders import load_encoder
from reage.models.files import fingerprint_of
from reage.models.pretrained import load_perceptual

__all__ = ["LatentSpace"]


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """W+ of one generator. Networks are loaded on first use."""

    model: Model
    dtype: torch.dtype = torch.float32  # of the maps of generator and encoder
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    vgg16: Path | None = None  # weights for LPIPS; None: what is at hand
    tuning: str = ""  # SHA-256 of what the generator was tuned by; "": it was not

    @cached_property
    def encoder(self) -> AnyEncoder | None:
        """The model's encoder; None where it has none."""
        encoder = load_encoder(self.model)
        return None if encoder is None else encoder.to(self.device)

    @cached_property
    def perceptual(self):
        """The feature distance that inversions minimise."""
        return load_perceptual(self.vgg16).to(self.device)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the tensors that show codes and find them."""
        encoder = self.model.config.sha256.get(ENCODER_FILE, "")
        return fingerprint_of(self.model.generator_hash, encoder, self.tuning)

    def with_tuning(self, code: TunedCode) -> LatentSpace:
        """Return the space with its generator tuned to one face: pivotal tuning inversion.

        Codes, directions and agers of the generator still fit (Roich et al. 2021, section 3).
        LatentError where the code or the difference has other sizes.
        """
        size = self.model.config.generator
        if code.ws.shape[1:] != (size.num_ws, size.w_dim):
            raise LatentError(
                f"the tuned code is {list(code.ws.shape[1:])}, this model takes "
                f"{[size.num_ws, size.w_dim]}; make it again: reage project --tune"
            )
        generator = apply_difference(self.model.generator, code.difference)
        model = replace(self.model, generator=generator)
        return replace(self, model=model, tuning=code.sha256)

    @property
    def alignment(self) -> Alignment:
        """Of the square around the face that the generator makes."""
        return self.model.config.alignment

    @property
    def resolution(self) -> int:
        """Pixels a side of the generator's pictures."""
        return self.model.config.generator.resolution

    @property
    def average(self) -> Tensor:
        """The average face's code, `[1, num_ws, w_dim]`."""
        generator = self.model.generator
        return generator.mapping.w_avg.expand(1, generator.num_ws, -1)

    @torch.no_grad()
    def synthesize(self, ws: Tensor, *, noise: list[Tensor] | None = None) -> Tensor:
        """RGB pictures `[N, 3, R, R]` in about [-1, 1] of ws `[N, num_ws, w_dim]`."""
        ws = ws.to(self.device)
        return self.model.generator.synthesize(ws, noise=noise, dtype=self.dtype)[:, :3]

    @torch.no_grad()
    def encode(self, crops: Sequence[FaceCrop]) -> Tensor:
        """The encoder's codes `[N, num_ws, w_dim]` of crops of this model's square.

        Without an encoder they are the average face's.
        """
        if self.encoder is None:
            return self.average.repeat(len(crops), 1, 1)
        images = to_tensor(np.stack([crop.image for crop in crops])).to(self.device)
        masks = torch.from_numpy(np.stack([crop.mask for crop in crops]))[:, None].to(images)
        return encode(self.encoder, self.model.generator, images, masks, dtype=self.dtype)

    def project(
        self,
        crop: FaceCrop,
        config: ProjectConfig,
        *,
        encoder: bool = True,
        on_step: Callable[[ProjectStep], None] | None = None,
    ) -> Inversion:
        """Find the code of one crop of this model's square, from the encoder's first guess on."""
        target, mask = self._targets(crop)
        return project(
            self.model.generator,
            target,
            mask,
            self.encode([crop]) if encoder else self.average,
            self.perceptual,
            config,
            dtype=self.dtype,
            on_step=on_step,
        )

    def tune(self, crop: FaceCrop, ws: Tensor, config: TuneConfig) -> Tuned:
        """Tune a copy of the generator to one crop and its code: by a hypernetwork, or `config`."""
        target, mask = self._targets(crop)
        hypernet = self.model.hypernet
        if hypernet is not None:
            hypernet.to(self.device)
            return hypertune(hypernet, self.model.generator, target, mask, ws)
        return tune(self.model.generator, target, mask, ws, self.perceptual, config)

    def _targets(self, crop: FaceCrop) -> tuple[Tensor, Tensor]:
        """A crop as the generator's picture and validity mask."""
        target = to_tensor(crop.image).to(self.device)
        if self.model.config.generator.image_channels == 4:  # a photo has no holes
            target = torch.cat([target, torch.ones_like(target[:, :1])], 1)
        return target, torch.from_numpy(crop.mask)[None, None].to(self.device)
