"""A GPU for tests on machines without one: what code for CUDA does, computed on the CPU under supervision.

Tensors made on, or moved to, `GPU` say that they are on `cuda:0`. Each wraps an ordinary tensor that holds its values,
and every operation is looked at before it is carried out. What a real GPU would refuse fails at once: an operation that
mixes its tensors with the host's. What makes the host wait for it is noted, and fails within `strict()`: reading a
value (`item`, `if tensor`), results whose size depends on values (`nonzero`, a mask as an index), a copy to the host,
and a copy from memory that is not pinned, or that was not asked for with `non_blocking`.

What it cannot show: races on pinned memory that is written again too early, kernels that CUDA alone has, what a kernel
takes, and casts of autocast beside those of convolutions, products and losses.
"""

from __future__ import annotations

import contextlib
import copy
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import arg_tree_leaves, tree_map

from imgcycle.methods import grid
from imgcycle.nets.stages import _blur_kernel

GPU = torch.device("cuda", 0)
_HOST = torch.device("cpu")
_aten = torch.ops.aten

_READS_VALUES = {
    "_local_scalar_dense", "is_nonzero", "equal", "nonzero", "nonzero_numpy", "masked_select", "argwhere", "_unique2",
    "unique_dim", "unique_consecutive", "bincount", "allclose",
}  # fmt: skip
_COPIES = {"_to_copy", "copy_", "_foreach_copy_"}


class MixedDevices(AssertionError):
    """An operation took tensors of the GPU together with the host's."""


class MadeToWait(AssertionError):
    """Within `strict()` the host would have waited for the GPU."""


class GpuTensor(torch.Tensor):
    """A tensor on the stand-in; `host` holds its values."""

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, host: Tensor) -> GpuTensor:
        # As a meta tensor: of that device every build of torch knows, and a copy to the CPU is one.
        made: GpuTensor = torch.Tensor._make_wrapper_subclass(
            cls, host.shape, strides=host.stride(), storage_offset=host.storage_offset(), dtype=host.dtype,
            layout=host.layout, device=torch.device("meta"),
        )  # fmt: skip
        return made

    def __init__(self, host: Tensor) -> None:
        super().__init__()
        self.host = host

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made = GpuTensor(copy.deepcopy(self.host.detach(), memo))
        memo[id(self)] = kept = torch.nn.Parameter(made, False) if isinstance(self, torch.nn.Parameter) else made
        return kept.requires_grad_(self.requires_grad)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.cpu().__reduce_ex__(protocol)  # type: ignore[no-untyped-call]

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"GpuTensor({tuple(self.shape)}, {self.dtype})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        assert StandInGpu.current is not None, f"{func} on the GPU outside of its test"
        return StandInGpu.current.carry_out(func, args, dict(kwargs or {}))


class StandInGpu(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The GPU while it is there; `waits` tells what made the host wait for it, with the line of the package."""

    current: StandInGpu | None = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []
        self.downloads = self.uploads = 0
        self._strict = False
        self._adopting = False
        self._pinned: dict[int, Tensor] = {}

    @contextlib.contextmanager
    def strict(self) -> Iterator[None]:
        """Nothing in here may make the host wait."""
        self._strict = True
        try:
            yield
        finally:
            self._strict = False

    @contextlib.contextmanager
    def adopting(self) -> Iterator[None]:
        """Whatever is made in here is on the GPU: C++ code takes the device from tensors, and finds another."""
        self._adopting = True
        try:
            yield
        finally:
            self._adopting = False

    def pinned(self, tensor: Tensor) -> Tensor:
        """A copy in pinned memory, as `Tensor.pin_memory` makes it."""
        assert not isinstance(tensor, GpuTensor), "only the host's memory can be pinned"
        made = tensor.clone()
        self._pinned[made.untyped_storage().data_ptr()] = made
        return made

    def is_pinned(self, tensor: Tensor) -> bool:
        """Whether a host tensor lies in pinned memory."""
        return tensor.untyped_storage().data_ptr() in self._pinned

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        wanted = kwargs.get("device")
        here = wanted is not None and torch.device(wanted).type != "cpu"
        made_here = self._adopting and func.overloadpacket in (_aten.empty, _aten.zeros, _aten.empty_strided)
        if here or made_here or any(isinstance(leaf, GpuTensor) for leaf in arg_tree_leaves(*args, **kwargs)):
            return self.carry_out(func, args, kwargs)
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
            return self.pinned(func(*args, **kwargs))
        return func(*args, **kwargs)

    def carry_out(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Look at an operation, and do it with the tensors that hold the values."""
        name = func.overloadpacket.__name__
        leaves = arg_tree_leaves(*args, **kwargs)
        if func is torch.ops.prim.device.default:
            return GPU
        if func._can_decompose():  # in inference nothing has taken it apart yet, and `to` may be a copy or none
            with self:
                return func.decompose(*args, **kwargs)
        to_host = name == "_to_copy" and kwargs.get("device") is not None and kwargs["device"].type == "cpu"
        if name in _COPIES:
            self._copied(name, args, kwargs, to_host)
        elif not name.startswith("broadcast_"):
            self._mixed(func, leaves)
        by_mask = name.startswith(("index", "_index")) and any(
            isinstance(leaf, Tensor) and leaf.dtype in (torch.bool, torch.uint8) for leaf in arg_tree_leaves(args[1])
        )
        if name in _READS_VALUES or by_mask or func is _aten.repeat_interleave.Tensor:
            self._wait(func)
        if kwargs.get("device") is not None:
            kwargs["device"] = _HOST
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
        hosts = {id(leaf.host): leaf for leaf in leaves if isinstance(leaf, GpuTensor)}
        host_args, host_kwargs = tree_map(_host_of, args), tree_map(_host_of, kwargs)
        found = func(*host_args, **host_kwargs)
        if torch.Tag.inplace_view in func.tags:
            with no_dispatch():  # the wrapper's own sizes and strides
                func(*args, **kwargs)
        if to_host:
            return found
        own = {id(leaf): leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, GpuTensor)}

        def wrapped(value: Any) -> Any:
            if not isinstance(value, Tensor) or id(value) in own:
                return value
            if id(value) in hosts:
                return hosts[id(value)]
            with torch.inference_mode(value.is_inference()):  # a view is what its base is
                return GpuTensor(value)

        return tree_map(wrapped, found)

    def _copied(self, name: str, args: Any, kwargs: dict[str, Any], to_host: bool) -> None:
        if name == "_foreach_copy_":
            pairs = list(zip(args[0], args[1], strict=True))
        else:
            target: Any = None if name == "_to_copy" else args[0]
            pairs = [(target, args[-1] if name == "_to_copy" else args[1])]
        waiting = kwargs.get("non_blocking", args[2] if name == "copy_" and len(args) > 2 else False)
        for target, source in pairs:
            from_gpu = isinstance(source, GpuTensor)
            onto_gpu = isinstance(target, GpuTensor) if target is not None else not to_host
            if from_gpu and not onto_gpu:
                self.downloads += 1
                if not (waiting and target is not None and self.is_pinned(target)):
                    self._wait(f"{name} to the host")
            if not from_gpu and onto_gpu:
                self.uploads += 1
                if not self.is_pinned(source):
                    self._wait(f"{name} from memory that is not pinned")
                elif not waiting:
                    self._wait(f"{name} from the host, not non_blocking")
                elif _converted(source, target, kwargs):
                    self._wait(f"{name} from the host, converted there on the way")

    def _mixed(self, func: Any, leaves: list[Any]) -> None:
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        strangers = [t for t in tensors if not isinstance(t, GpuTensor)]
        if not strangers or len(strangers) == len(tensors):
            return
        scalars = torch.Tag.pointwise in func.tags and all(t.dim() == 0 for t in strangers)
        if not scalars:
            shapes = ", ".join(str(tuple(t.shape)) for t in strangers)
            raise MixedDevices(f"{func} of the GPU's tensors and the host's {shapes}, at {_line()}")

    def _wait(self, what: Any) -> None:
        line = f"{what} at {_line()}"
        self.waits.append(line)
        if self._strict:
            raise MadeToWait(line)


class _Autocast(TorchFunctionMode):
    """Autocast on the stand-in: convolutions and products in the narrow type, losses and sums in float32."""

    _NARROW = frozenset(
        {
            torch.conv2d, torch.conv_transpose2d, torch.nn.functional.linear, torch.matmul, torch.bmm, torch.mm,
            Tensor.__matmul__, Tensor.matmul, torch.prelu,
        }
    )  # fmt: skip
    _WIDE = frozenset(
        {
            torch.nn.functional.mse_loss, torch.nn.functional.l1_loss, torch.nn.functional.cross_entropy,
            torch.nn.functional.binary_cross_entropy_with_logits, torch.nn.functional.group_norm, torch.sum,
            Tensor.sum, Tensor.norm, Tensor.pow,
        }
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.types: list[torch.dtype | None] = [None]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        narrow = self.types[-1]
        wanted = narrow if func in self._NARROW else torch.float32 if func in self._WIDE else None
        if narrow is None or wanted is None:
            return func(*args, **kwargs)

        def cast(value: Any) -> Any:
            return value.to(wanted) if isinstance(value, GpuTensor) and value.is_floating_point() else value

        return func(*tree_map(cast, args), **tree_map(cast, kwargs))


def _host_of(value: Any) -> Any:
    return value.host if isinstance(value, GpuTensor) else value


def _converted(source: Tensor, target: Tensor | None, asked: dict[str, Any]) -> bool:
    """Whether a copy changes the type or the layout: between devices, it does so through memory that is not pinned."""
    if target is not None:
        return source.dtype != target.dtype or source.stride() != target.stride()
    kept = asked.get("memory_format") in (None, torch.preserve_format)
    laid = kept or source.is_contiguous(memory_format=asked["memory_format"])
    return asked.get("dtype") not in (None, source.dtype) or not laid


def _line() -> str:
    """Where in the package this began."""
    frames = [f for f in traceback.extract_stack() if "/imgcycle/" in f.filename.replace("\\", "/")]
    return f"{frames[-1].filename}:{frames[-1].lineno} {frames[-1].line}" if frames else "the test"


def _stand_in_tensor(gpu: StandInGpu, plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`torch.tensor` and `torch.as_tensor`: values go to a GPU through memory that is not pinned."""

    def make(data: Any, *, device: Any = None, **others: Any) -> Tensor:
        if device is None or torch.device(device).type == "cpu":
            return plain(data, device=device, **others)
        with gpu:
            return plain(data, **others).to(GPU)

    return make


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInGpu]:
    """The stand-in, in place for one test."""
    made, cast = StandInGpu(), _Autocast()
    plain_autocast = torch.autocast

    @contextlib.contextmanager
    def autocast(kind: str, dtype: torch.dtype = torch.float16, enabled: bool = True, **others: Any) -> Iterator[None]:
        if kind != "cuda":
            with plain_autocast(kind, dtype, enabled=enabled, **others):
                yield
            return
        cast.types.append(dtype if enabled else None)
        try:
            yield
        finally:
            cast.types.pop()

    def of_kind(plain: Callable[[str], Any], mine: Callable[[], Any]) -> Callable[..., Any]:
        return lambda *kind: mine() if kind == ("cuda",) else plain(*kind)

    monkeypatch.setattr(StandInGpu, "current", made)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: "a stand-in")
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch, "tensor", _stand_in_tensor(made, torch.tensor))
    monkeypatch.setattr(torch, "as_tensor", _stand_in_tensor(made, torch.as_tensor))
    monkeypatch.setattr(torch, "autocast", autocast)
    monkeypatch.setattr(
        torch, "is_autocast_enabled", of_kind(torch.is_autocast_enabled, lambda: cast.types[-1] is not None)
    )
    monkeypatch.setattr(torch, "get_autocast_dtype", of_kind(torch.get_autocast_dtype, lambda: cast.types[-1]))
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor, *_: made.pinned(tensor))
    monkeypatch.setattr(Tensor, "is_pinned", lambda tensor, *_: made.is_pinned(tensor))
    _blur_kernel.cache_clear()
    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with made, cast:
            yield made
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwritten)
        # What is kept for `cuda:0` would meet a real one.
        _blur_kernel.cache_clear()
        grid._mean_kernel.cache_clear()
