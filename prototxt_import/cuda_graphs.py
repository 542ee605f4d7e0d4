"""Forward passes on a card replayed from CUDA graphs: one launch for a whole net, for shapes that come again.

A pose machine at batch 1 is some hundreds of kernels of a few microseconds each, which Python does not launch as fast
as the card ends them. Training is left alone: its batches are large enough.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from .net import Net

MOST = 4  # shapes whose graphs, with their blobs, stay on the card

Blobs = dict[str, Tensor]
Replay = Callable[[], None]
_replays: "WeakKeyDictionary[Net, Replays]" = WeakKeyDictionary()


def replayed(net: nn.Module) -> Callable[..., Blobs]:
    """What to call instead of `net(inputs, wanted)` where no gradient is wanted: on a card, if its engine only launches
    kernels, its `Replays`; elsewhere the net itself."""
    if not (isinstance(net, Net) and _on_card(net) and net.engine.only_launches):
        return net
    if not all(layer.recordable for layer in net.layers.values()):
        return net
    if net not in _replays:
        _replays[net] = Replays(net, record)
    return _replays[net]


def _on_card(net: Net) -> bool:
    return next((blob.parameter.is_cuda for blob in net.learnable), False)


def record(work: Callable[[], Blobs]) -> tuple[Replay, Blobs]:
    """A CUDA graph of what `work` launches: how to launch it again, and the blobs that it then writes."""
    warm = torch.cuda.Stream()
    warm.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(warm):  # what libraries do at the first time on a stream must not be recorded
        work()
    torch.cuda.current_stream().wait_stream(warm)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = work()
    return graph.replay, made


class Replays:
    """`net(inputs, wanted)` for the same results in memory of their own: eagerly at the first call with such shapes,
    from the second on by a graph. Weights that change make it record anew.

    record: see `record`.
    """

    def __init__(self, net: Net, record: Callable[[Callable[[], Blobs]], tuple[Replay, Blobs]]) -> None:
        self._net, self._record = ref(net), record  # `_replays` must not keep the net alive
        self._seen: set[Hashable] = set()
        self._recordings: OrderedDict[Hashable, tuple[Replay, Blobs, Blobs]] = OrderedDict()

    def __call__(self, inputs: Blobs, wanted: Collection[str]) -> Blobs:
        """As `Net.forward`, without gradients; `wanted` says which blobs are given."""
        net = self._net()
        if net is None:
            raise ReferenceError("the net that these graphs were recorded of is gone")
        key = self._key(net, inputs, wanted)
        if key not in self._seen:
            self._seen.add(key)
            with torch.no_grad():
                return net(inputs, wanted)
        if key not in self._recordings:
            self._recordings[key] = self._recording(net, inputs, wanted)
            while len(self._recordings) > MOST:
                self._recordings.popitem(last=False)
        self._recordings.move_to_end(key)
        replay, given, made = self._recordings[key]
        for name, blob in given.items():
            blob.copy_(inputs[name])
        replay()
        return {name: made[name].clone() for name in wanted}

    def _recording(self, net: Net, inputs: Blobs, wanted: Collection[str]) -> tuple[Replay, Blobs, Blobs]:
        with torch.inference_mode(False), torch.no_grad():  # inputs of inference mode could not be written again
            given = {name: torch.empty_like(blob).copy_(blob) for name, blob in inputs.items()}
            replay, made = self._record(lambda: net(given, wanted))
        return replay, given, made

    def _key(self, net: Net, inputs: Blobs, wanted: Collection[str]) -> Hashable:
        shapes = tuple((name, tuple(blob.shape), blob.dtype, blob.device) for name, blob in sorted(inputs.items()))
        parameters = (blob.parameter for blob in net.learnable)
        weights = tuple((p.data_ptr(), None if p.is_inference() else p._version) for p in parameters)
        return shapes, tuple(sorted(wanted)), weights
