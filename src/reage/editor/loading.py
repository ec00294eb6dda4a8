"""Load an editor: a model and its ager."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from reage.agers.base import Ager
from reage.agers.finder import AgerSource, find_ager
from reage.agers.fran import load_fran
from reage.compositing.hair.colours import HAIR_COLOURS
from reage.devices import choose_device, choose_dtype
from reage.editor.editor import Editor
from reage.errors import UsageError
from reage.inversion.space import LatentSpace
from reage.models.checkpoints import load_config
from reage.models.families.fran import is_pixel_ager
from reage.models.pretrained import load_occlusion
from reage.models.registry import find_model
from reage.models.registry import load as load_any_model

__all__ = ["DEFAULT_MODEL", "load"]

DEFAULT_MODEL = "faces128"


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    ager: Ager | str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    direction: str | Path | None = None,
    vgg16: Path | None = None,
    grey_hair: bool = True,
    hair_color: str | None = None,
    fine_skin: bool = True,
    detail: str | Path | None = None,
    occlusion: str | Path | None = None,
) -> Editor:
    """Load an editor: a model by name, folder or file, and its ager.

    `ager` is an object of the protocol `reage.agers.base.Ager`, or a file: a direction, an ager of
    codes or of photos, or "sefa:N"; `direction` is another name for it. Without one, the model's
    own is used. `device` is auto, cpu, cuda, ...; `precision` auto, float32 or bfloat16; without
    `grey_hair` hair keeps its colour. `hair_color` is that of grey hair in a younger face: a name
    of `reage.compositing.hair.colours.HAIR_COLOURS`; None: guess. Without `fine_skin` no wrinkles
    are added or removed at the photo's full size; `detail` is a folder of `reage fit-detail` or
    `reage train skin-removal` that says which; None: the embedded one. `occlusion` is a folder of
    `reage train occlusion`, whose network finds what covers a face. Raises ModelError, LatentError
    or UsageError.
    """
    if hair_color is not None and hair_color not in HAIR_COLOURS:
        raise UsageError(
            f"hair color {hair_color!r} is not known; choose {', '.join(HAIR_COLOURS)}"
        )
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    covers = None if occlusion is None else Path(occlusion)
    if covers is not None:
        load_occlusion(covers)  # a folder that is none is refused at once
    given = direction if ager is None else ager
    path = find_model(model)
    if is_pixel_ager(path):
        if given is not None:
            raise UsageError(f"{path} is an ager itself; leave out the direction")
        fran = load_fran(path, place, dtype)
        return Editor(fran, None, None, dtype, place, grey_hair, hair_color, covers)

    @cache
    def latents() -> LatentSpace:
        loaded = load_any_model(path)
        loaded.generator.to(place)
        return LatentSpace(loaded, dtype, place, vgg16)

    folder = path if path.is_dir() else None
    config = latents().model.config if folder is None else load_config(folder)
    own_detail = None if detail is None else Path(detail)
    source = AgerSource(config, folder, latents, place, dtype, fine_skin, own_detail)
    found = find_ager(source, given) if given is None or isinstance(given, str | Path) else given
    if not isinstance(found, Ager | None):
        raise UsageError(f"{found!r} is not an ager: see reage.agers.base.Ager")
    return Editor(found, config, latents, dtype, place, grey_hair, hair_color, covers)
