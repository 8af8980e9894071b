"""Networks of PyTorch written as ONNX files, and these made smaller; needs PyTorch."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medclip_search.encoders.onnx_session import import_onnxruntime

_OPSET = 17


def write(
    module: Any,
    example: Mapping[str, Any],
    path: Path,
    gives: Sequence[str],
    axes: dict[str, dict[int, str]],
) -> None:
    """A module to ``path``, traced with an example of each of its inputs, which it takes in order.

    ``gives`` names its outputs; ``axes`` the axes of either that may have any length.
    """
    import torch

    with (
        quiet(),
        _traceable(module.eval()),  # else the exporter leaves the model in training mode
        torch.no_grad(),
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
    ):
        raw = Path(folder) / path.name
        torch.onnx.export(
            module,
            tuple(example.values()),
            str(raw),
            input_names=list(example),
            output_names=list(gives),
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
        gather(raw, path)


def write_int8(network: Path, path: Path) -> None:
    """The same network with the weights of its products in 8 bits, the rest in float32."""
    with quiet():
        import_onnxruntime()
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            network,
            path,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            # Products of 8 by 8 bits overflow on a CPU without VNNI; those of 8 by 7 never do.
            reduce_range=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=network.with_name(f"{network.name}.data").exists(),
            extra_options={"MatMulConstBOnly": True},
        )


def gather(raw: Path, path: Path) -> None:
    """Move a network to its place; weights that the exporter scattered go into one file."""
    if len(list(raw.parent.iterdir())) == 1:
        raw.rename(path)
        return
    import onnx

    onnx.save_model(
        onnx.load(str(raw)),
        str(path),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=f"{path.name}.data",
    )


@contextlib.contextmanager
def _traceable(module: Any) -> Iterator[None]:
    """Fused attention off, which the exporter does not know; put back afterwards."""
    import torch

    fused = [one for one in module.modules() if getattr(one, "fused_attn", False)]
    fast = torch.backends.mha.get_fastpath_enabled()
    for one in fused:
        one.fused_attn = False
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for one in fused:
            one.fused_attn = True


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Neither warnings nor logging: the agreement is measured, whatever the exporter fears."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
