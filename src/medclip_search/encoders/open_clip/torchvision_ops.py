"""Lets torchvision be imported beside a PyTorch that was built without its compiled parts."""

from __future__ import annotations

import importlib.util
import sys


def declare_missing_ops() -> None:
    """Declare the operators that torchvision describes at import but a CPU build may lack.

    A torchvision whose compiled library does not fit (a CUDA build beside a CPU PyTorch) fails at
    import with ``operator torchvision::nms does not exist``, although nothing here needs these.
    To be called before timm and open_clip are imported; does nothing where torchvision works.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    import torch

    if torch.version.cuda is not None:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for operator in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, operator):
                torch.library.define(
                    f"torchvision::{operator}",
                    "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
                )
