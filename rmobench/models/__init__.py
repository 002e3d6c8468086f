"""Networks that tasks train: plain modules whose orthogonal layers hold their frame as the parameter."""

from rmobench.models.byte_gpt import ByteGPT
from rmobench.models.low_rank_linear import LOW_RANK_STARTS, LowRankLinear, insert_low_rank, low_rank_layers
from rmobench.models.matrix_group import MatrixGroup
from rmobench.models.orthogonal_conv import OrthogonalConv2d, convolution, frames
from rmobench.models.plain import mlp, plain_cnn
from rmobench.models.resnet import ResNet, resnet18, resnet50
from rmobench.models.small_cnn import small_cnn
from rmobench.models.small_vit import SmallViT
from rmobench.models.start import started

__all__ = [
    "LOW_RANK_STARTS",
    "ByteGPT",
    "LowRankLinear",
    "MatrixGroup",
    "OrthogonalConv2d",
    "ResNet",
    "SmallViT",
    "convolution",
    "frames",
    "insert_low_rank",
    "low_rank_layers",
    "mlp",
    "plain_cnn",
    "resnet18",
    "resnet50",
    "small_cnn",
    "started",
]
