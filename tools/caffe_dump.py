"""Writes with your own Caffe what dump and train write here, to compare the two.

What tools/dump.py and tools/train.py --trace write, in files of the same form. Needs pycaffe and NumPy and nothing of
this project: copy it to where Caffe is. Python 2.7 and 3.
"""

from __future__ import print_function

import argparse
import json
import os

import numpy as np

EXAMPLE = """example:
  python tools/caffe_dump.py net --prototxt deploy.prototxt --weights cpm.caffemodel --input input.npz --out blobs.npz
  python tools/caffe_dump.py data --prototxt train.prototxt --samples 8 --out samples.npz
  python tools/caffe_dump.py train --solver solver.prototxt --out trace.npz
"""
EARLY = (0, 1, 5)  # parameters are recorded after these iterations, and after the last
LARGEST_BLOB = 1 << 18  # values; larger blobs are left out of a trace


def dump_net(caffe, arguments):
    """Every blob of one forward pass; with --gradients every gradient of one backward pass."""
    if arguments.seed is not None:
        caffe.set_random_seed(arguments.seed)
    phase = caffe.TRAIN if arguments.phase == "TRAIN" else caffe.TEST
    names = [arguments.prototxt] + ([arguments.weights] if arguments.weights else [])
    net = caffe.Net(*(names + [phase]))
    inputs = np.load(arguments.input)
    for name in inputs.files:
        if name in net.blobs:
            net.blobs[name].reshape(*inputs[name].shape)
            net.blobs[name].data[...] = inputs[name]
    net.forward()
    arrays = blob_values(net)
    if arguments.gradients:
        for name in inputs.files:
            if name.endswith(".diff"):
                net.blobs[name[: -len(".diff")]].diff[...] = inputs[name]
        net.backward()
        arrays.update(("%s.diff" % name, blob.diff.copy()) for name, blob in net.blobs.items())
        arrays.update(("%s.diff" % name, blob.diff.copy()) for name, blob in parameters(net))
    return arrays


def dump_data(caffe, arguments):
    """The first samples of the data layer, whose tops are called `data` and `label`."""
    net = caffe.Net(arguments.prototxt, caffe.TRAIN)
    data, label = [], []
    while sum(len(batch) for batch in data) < arguments.samples:
        net.forward()
        data.append(net.blobs["data"].data.copy())
        label.append(net.blobs["label"].data.copy())
    data, label = (np.concatenate(batches)[: arguments.samples] for batches in (data, label))
    return {
        "image_u8": np.rint(data[:, :3] * 256 + 128).astype(np.uint8),
        "center_map": np.ascontiguousarray(data[:, 3]),
        "label": label,
        "config": np.array(json.dumps({"samples": arguments.samples, "srand": 1})),
    }


def dump_training(caffe, arguments):
    """Losses, parameters, the first update and the first blobs of a run."""
    solver = caffe.SGDSolver(arguments.solver)
    net, arrays, losses = solver.net, {}, []
    record_parameters(arrays, net, 0)
    for iteration in range(1, arguments.iterations + 1):
        solver.step(1)
        losses.append([float(net.blobs[name].data) for name in net.blobs if name.startswith("loss")])
        if iteration == 1:
            arrays.update(("update1/%s" % name, blob.diff.copy()) for name, blob in parameters(net))
            for name, blob in net.blobs.items():
                if blob.count <= LARGEST_BLOB:
                    arrays["blob1/%s" % name] = blob.data.copy()
                    arrays["blobdiff1/%s" % name] = blob.diff.copy()
        if iteration in EARLY or iteration == arguments.iterations:
            record_parameters(arrays, net, iteration)
    arrays["loss"] = np.array(losses, np.float32)
    return arrays


def blob_values(net):
    return dict((name, blob.data.copy()) for name, blob in net.blobs.items())


def parameters(net):
    """(layer/index, blob) of every parameter."""
    for layer, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            yield "%s/%d" % (layer, index), blob


def record_parameters(arrays, net, iteration):
    arrays.update(("iter%d/%s" % (iteration, name), blob.data.copy()) for name, blob in parameters(net))


def arguments_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="what")
    net = kinds.add_parser("net", help="every blob of a net, and every gradient")
    net.set_defaults(dump=dump_net)
    net.add_argument("--prototxt", required=True, help="the net")
    net.add_argument("--weights", help="the .caffemodel")
    net.add_argument("--seed", type=int, help="fill the weights with this random_seed")
    net.add_argument("--input", required=True, help="an .npz with an array for each input blob")
    net.add_argument("--gradients", action="store_true", help="backward too (the net needs force_backward: true)")
    net.add_argument("--phase", choices=("TEST", "TRAIN"), default="TEST", help="whose layers (default: TEST)")
    data = kinds.add_parser("data", help="samples of a net's data layer")
    data.set_defaults(dump=dump_data)
    data.add_argument("--prototxt", required=True, help="the training net")
    data.add_argument("--samples", type=int, required=True, help="how many")
    train = kinds.add_parser("train", help="the record of a training run")
    train.set_defaults(dump=dump_training)
    train.add_argument("--solver", required=True, help="the solver")
    train.add_argument("--iterations", type=int, default=20, help="how many (default: 20)")
    for kind in (net, data, train):
        kind.add_argument("--out", required=True, help="the .npz to write")
    return parser


def main(arguments):
    import caffe

    caffe.set_mode_cpu()
    arrays = arguments.dump(caffe, arguments)
    temporary = arguments.out + ".part"
    with open(temporary, "wb") as stream:
        np.savez(stream, **arrays)
    os.rename(temporary, arguments.out)
    print("%s: %d arrays" % (arguments.out, len(arrays)))


if __name__ == "__main__":
    main(arguments_parser().parse_args())
