"""Settings of the trainings: frozen, written into the run folder, and named presets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "PRESETS",
    "AdamSettings",
    "AgerTraining",
    "BeardRemovalTraining",
    "EncoderTraining",
    "GeneratorTraining",
    "HeadTraining",
    "OcclusionTraining",
    "PhotoAgerTraining",
    "RemovalTraining",
]


@dataclass(frozen=True)
class AdamSettings:
    """Of one optimiser."""

    lr: float = 2e-3
    beta1: float = 0.0
    beta2: float = 0.99
    clip: float = 0.0  # largest norm of all its gradients together; 0 = as they are


@dataclass(frozen=True)
class GeneratorTraining:
    """`reage train generator`."""

    adversary: Literal["projected", "stylegan2", "none"] = "projected"
    encoder_share: float = 0.5  # of every batch that is reconstructed through the encoder
    mixed_share: float = 0.25  # of every batch that shows codes between those of real faces
    resolution: int = 128  # of the generator, where a run begins from nothing
    channels: tuple[int, ...] = (256, 256, 256, 128, 64, 32)  # at 4, 8, ... px
    mapping_layers: int = 4
    stages: tuple[tuple[float, int], ...] = ()  # (kimg, px): up to there only the inner picture
    feature_side: int = 128  # pixels at which the feature network sees pictures
    batch: int = 32  # pictures a step, of all processes together
    seed: int = 0
    balance: float = 0.4  # 0: pictures as they come; 1: each age bin as often
    generator: AdamSettings = AdamSettings()
    discriminator: AdamSettings = AdamSettings()
    encoder: AdamSettings = AdamSettings(5e-4, 0.9, 0.99)  # lr 0: the model's, as it is
    head_start_kimg: float = 0.0  # in which only the adversary learns
    # Of the weights in it, up to this share of their size, so that it learns of more generators.
    head_start_noise: float = 0.0
    # Over which the learning rates rise from nothing; the adversary's within its head start.
    warmup_kimg: float = 4.0
    ema_kimg: float = 5.0  # half-life of the averaged weights
    ema_rampup: float = 0.05  # never longer than this part of what has been seen
    offset_dropout: float = 0.25  # of the rebuilt faces that go without their offsets
    mixing: float = 0.5  # probability that a sample of z has two codes
    # The weights of the losses.
    colour_weight: float = 0.15  # projected: of the head on the tiny view
    texture_weight: float = 0.5  # projected: of the critic of patches of 18 pixels; 0 = none
    mse_weight: float = 10.0  # reconstruction: mean squared error, pictures in [-1, 1]
    perceptual_weight: float = 1.0  # reconstruction: distance of features
    adversarial_weight: float = 0.3  # reconstruction: beside 1 for the samples
    offset_weight: float = 0.1  # mean square of the encoder's offsets between levels
    # Samples and mixtures: mean squared difference, at `anchor_side` px, to what the generator that
    # the run began with makes of the same codes. An adversary then refines, and moves no feature.
    anchor_weight: float = 0.0
    anchor_side: int = 32
    # stylegan2: at 4, 8, ... px, up to the full size, a half or a quarter; (): those of the model's
    # discriminator, or of its generator. Other ones than the model's begin a new discriminator.
    discriminator_channels: tuple[int, ...] = ()
    r1_gamma: float = 1.0  # stylegan2
    r1_every: int = 16  # steps
    path_weight: float = 2.0  # stylegan2: path length regularisation
    path_every: int = 4  # steps
    ada_target: float = 0.6  # stylegan2: mean sign of D on real pictures; 0 = no augmentation
    ada_kimg: float = 100.0  # in which p could go from 0 to 1
    compile: bool = False  # torch.compile of the synthesis: a minute first, then a fifth faster
    # Of the weights that are written: 0 are all 11 of float16; with fewer, archives shrink.
    significant_bits: int = 0

    @property
    def keeps_codes(self) -> bool:
        """Whether the encoder stays as it is: its codes, and what agers know of them, go on."""
        return self.encoder_share > 0 and self.encoder.lr == 0


@dataclass(frozen=True)
class EncoderTraining:
    """`reage train encoder`."""

    batch: int = 16
    seed: int = 0
    balance: float = 0.4
    sample_share: float = 0.25  # of every batch that are the generator's own pictures
    encoder: AdamSettings = AdamSettings(5e-4, 0.9, 0.99)
    generator: AdamSettings = AdamSettings(0.0, 0.0, 0.99)  # lr above 0: tuned along
    ema_kimg: float = 5.0
    ema_rampup: float = 0.05
    mse_weight: float = 10.0
    perceptual_weight: float = 1.0
    identity_weight: float = 0.0
    code_weight: float = 0.1  # on samples: mean squared difference to the known code
    offset_weight: float = 0.01
    significant_bits: int = 0  # of the weights that are written, as a generator's run has it

    @property
    def keeps_codes(self) -> bool:
        """Whether the generator stays as it is: what agers know of its codes goes on."""
        return self.generator.lr == 0


@dataclass(frozen=True)
class AgerTraining:
    """`reage train ager`."""

    batch: int = 16
    seed: int = 0
    balance: float = 0.8
    youngest: float = 1.0  # years that are asked for
    oldest: float = 82.0
    colour: float = 0.5  # share of the change in colour that is pasted
    code_noise: float = 0.3  # added to the codes, in units of how they differ
    ager: AdamSettings = AdamSettings(1e-3, 0.5, 0.99)
    discriminator: AdamSettings = AdamSettings(1e-3)
    judge: AdamSettings = AdamSettings(1e-3, 0.9, 0.99)
    judge_kimg: float = 6.0  # labelled faces that the second judge of age learns from beforehand
    ema_kimg: float = 2.0
    ema_rampup: float = 0.05
    # The weights of the losses.
    age_weight: float = 1.0  # a decade off, by the age network, made and pasted
    judge_weight: float = 0.5  # a decade off, by a second judge that learns from the labels
    adversarial_weight: float = 1.5  # real faces of the wanted age bin against pasted ones
    colour_weight: float = 0.15  # of the adversary's head on the tiny view
    identity_weight: float = 6.0  # one minus the likeness of the aged face and the unaged one
    identity_gap: float = 40.0  # years of ageing after which a change of looks counts half
    gender_weight: float = 3.0  # change of the gender network's probability
    light_weight: float = 10.0  # mean square of the change, averaged over 1/8 of the side
    hue_weight: float = 40.0  # mean square of what changes in colour, not in lightness
    outside_weight: float = 10.0  # mean square of the change outside the face
    cycle_weight: float = 0.5  # there and back, in units of how codes differ
    size_weight: float = 0.2  # mean square of the change of ws, in those units


@dataclass(frozen=True)
class PhotoAgerTraining:
    """`reage train photo-ager`."""

    batch: int = 16
    seed: int = 0
    balance: float = 0.8
    youngest: float = 4.0  # years that are asked for
    oldest: float = 82.0
    # Changes of the photos' finest detail: crops of large portraits have two or three times as
    # much of it as a dataset of small pictures. -1 = none is left, 1 = twice as much.
    blurriest: float = -0.7
    sharpest: float = 1.7
    ager: AdamSettings = AdamSettings(3e-4, 0.8, 0.99, clip=1.0)
    discriminator: AdamSettings = AdamSettings(1e-3)
    texture: AdamSettings = AdamSettings(1e-3)
    judge: AdamSettings = AdamSettings(1e-3, 0.9, 0.99)
    judge_kimg: float = 6.0  # labelled faces that the judge of age learns from beforehand
    # Of the faces drawn of each age bin, those with glasses; as they come, critics that know each
    # age by its real faces want rims painted. 0: as they come.
    glasses_share: float = 0.1
    head_start_kimg: float = 0.0  # in which only the critics learn
    head_start_noise: float = 0.0  # of the ager's weights in it, up to this share of their size
    growth_faces: int = 500  # of each age bin that show how faces grow; 0: no photo is bent
    heads_batch: int = 8  # with a table of heads: how many of them a step sees beside the batch
    ema_kimg: float = 2.0
    ema_rampup: float = 0.05
    # The weights of the losses, all of them on pasted faces.
    age_weight: float = 2.0  # a decade off, by the age network
    judge_weight: float = 1.5  # a decade off, by a judge that learns from the labels
    adversarial_weight: float = 3.0  # real faces of the wanted age bin against pasted ones
    colour_weight: float = 0.15  # of the adversary's head on the tiny view
    identity_weight: float = 6.0  # what the likeness to the photo falls short of `least_likeness`
    least_likeness: float = 0.85
    gender_weight: float = 5.0  # change of the gender network's probability
    light_weight: float = 40.0  # mean square of the change, averaged over 1/8 of the side
    size_weight: float = 4.0  # mean square of the change
    shading_weight: float = 400.0  # mean square of what is broader than lines in a face grown older
    # Mean square of the light that differs between shifts of the photos: what follows the grid of
    # the network's patches, hatching mostly.
    grid_weight: float = 3000.0
    peak_weight: float = 2500.0  # mean square of what light changes by more than lines and folds do
    texture_weight: float = 1.5  # real skin of the wanted age bin against pasted, a patch at a time
    # On heads: mean square of what is painted beyond what old faces have more of than young ones,
    # and mean size of the paint in each band: folds are few, mottles that please judges everywhere.
    excess_weight: float = 10_000.0
    sparse_weight: float = 20.0


@dataclass(frozen=True)
class HeadTraining:
    """Shared by the trainings of one small network on a table of sharp heads."""

    batch: int = 6
    seed: int = 0
    network: AdamSettings = AdamSettings(4e-4, 0.9, 0.99, clip=1.0)
    warmup_kimg: float = 0.6  # over which the learning rate rises from nothing
    kept_out: int = 60  # heads that are not learnt from; the pictures show them
    ema_kimg: float = 2.0
    ema_rampup: float = 0.05


@dataclass(frozen=True)
class OcclusionTraining(HeadTraining):
    """`reage train occlusion`."""

    batch: int = 16
    network: AdamSettings = AdamSettings(3e-3, 0.9, 0.99, clip=1.0)
    warmup_kimg: float = 1.0
    covered: float = 0.62  # share of the pictures with things before the face
    dice_weight: float = 0.3  # beside 1 for cross entropy: small things count as large ones do


@dataclass(frozen=True)
class RemovalTraining(HeadTraining):
    """`reage train skin-removal`."""

    # What is laid over a head is of one of so many heads of about its tone, and how far tones are
    # taken to differ by chance, in degrees of the typology angle.
    nearest: int = 40
    tones: float = 12.0
    weakest: float = 0.5  # times what is laid over
    strongest: float = 1.8
    untouched: float = 0.15  # share of pairs that have nothing laid over
    # The weights of the losses, beside 1 for absolute errors of single pixels.
    squares_weight: float = 4.0
    areas_weight: float = 2.0
    slopes_weight: float = 0.5


@dataclass(frozen=True)
class BeardRemovalTraining(RemovalTraining):
    """`reage train beard-removal`."""

    nearest: int = 24
    tones: float = 14.0
    strongest: float = 1.25
    untouched: float = 0.2


PRESETS: dict[str, GeneratorTraining] = {
    "stylegan2": GeneratorTraining(
        adversary="stylegan2",
        encoder_share=0.0,
        mixed_share=0.0,
        mixing=0.9,
        mapping_layers=8,
        channels=(512, 512, 512, 512, 256, 128),
    ),
    "autoencoder": GeneratorTraining(
        adversary="none", encoder_share=1.0, mixed_share=0.0, stages=((1e9, 64),), feature_side=64
    ),
    "projected": GeneratorTraining(encoder_share=0.0, mixed_share=0.0),
    "projected+encoder": GeneratorTraining(),
    "stylegan2+encoder": GeneratorTraining(
        adversary="stylegan2",
        encoder_share=0.25,
        encoder=AdamSettings(5e-4, 0.9, 0.99, clip=5.0),
        generator=AdamSettings(clip=10.0),
        offset_dropout=0.5,
        offset_weight=1.0,
        mse_weight=20.0,
        r1_gamma=0.1,
        path_weight=0.0,  # the rebuilt faces keep W even, and it has no compiled backward pass
    ),
}
