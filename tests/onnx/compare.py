#!/usr/bin/env python3
"""Holds other programs to the logits that striate gives for models that it exported.

    /usr/bin/python3 tests/onnx/compare.py build/release/tests/onnx/onnx_cases --with ~/.cache/peers/bin/python

exports every registered model, and some nets more, by onnx_cases (cases.cpp beside this file). Each Python asks what it
has: onnx' checker and reference evaluator, ONNX Runtime, OpenCV's dnn. Debian 12 has python3-onnx 1.12 (without the
evaluator) and python3-opencv 4.6. For one image and for seven, no logit differs by more than 1e-4, nor by more than a
thousandth of how images differ; what a program is known not to run, or to run wrongly, is listed below. Ends with 77 where this Python has none of them.

    compare.py striate --predict WEIGHTS PICTURE

exports by the command line (--normalize, with and without --fold-batch-norm, and a fixed batch), gives the bytes of a
PPM of the model's size, and holds what comes out to the probabilities of `predict --json`.
"""
import argparse
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

TOLERANCE = 1e-4

# What the others agree on and one cannot do, by program and the part before "+" of a case's name.
KNOWN = {
    ("opencv", "conv-transpose1d"): "no transposed convolution of sequences",
    ("opencv", "dilated-pool"): "no dilation of pools",
    ("opencv", "layer-norm"): "no LayerNormalization",
    ("opencv", "squeeze-excitation"): "Mul of (N,C,H,W) and (N,C,1,1) is wrong for several images",
    ("opencv", "sums"): "no ReduceSum since opset 13",
    ("opencv", "broadcasting"): "no constants of less axes for any number of images",
    ("reference", "conv-transpose-groups"): "no groups of ConvTranspose",
}


def read_header(data):
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length])


def read_safetensors(path, numpy):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in read_header(data).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, tensor in tensors.items():
        data = tensor.astype("<f4").tobytes()
        header[name] = {"shape": tensor.shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def programs():
    """What this Python can ask: name -> function from a file and a batch to logits, the checker's without."""
    found = {}
    try:
        import onnx

        found["checker " + onnx.__version__] = lambda path: onnx.checker.check_model(str(path), full_check=True)
        from onnx.reference import ReferenceEvaluator

        def evaluate(path):
            model = ReferenceEvaluator(str(path))
            return lambda x: model.run(None, {"input": x})[0]

        found["reference " + onnx.__version__] = evaluate
    except ImportError:
        pass
    try:
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)

        def runtime(path):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            return lambda x: session.run(None, {"input": x})[0]

        found["runtime " + onnxruntime.__version__] = runtime
    except ImportError:
        pass
    try:
        import cv2

        def opencv(path):
            net = cv2.dnn.readNetFromONNX(str(path))

            def run(x):
                net.setInput(x)
                return net.forward()

            return run

        found["opencv " + cv2.__version__] = opencv
    except ImportError:
        pass
    return found


def outcome(load, path, tensors, numpy):
    """"ok", the worst difference for one and seven images, or what went wrong."""
    try:
        run = load(path)
        if run is None:
            return "ok"
        worst = 0.0
        for count in ("1", "7"):
            if "x" + count not in tensors:
                continue
            wanted = tensors["y" + count]
            got = run(numpy.ascontiguousarray(tensors["x" + count]))
            if got.shape != wanted.shape:
                return f"shape {got.shape} for {wanted.shape}"
            if path.stem.startswith("predict"):  # log probabilities: logits but for a constant
                wanted, got = (x - x.max(axis=1, keepdims=True) for x in (wanted, got))
            difference = float(abs(got - wanted).max())
            spread = float(abs(wanted - wanted[:1]).max())
            if difference > spread / 1000 > 0:
                return f"{difference:.1e} where images differ by {spread:.1e}"
            worst = max(worst, difference)
        return worst
    except Exception as error:  # whatever a program throws is its answer
        return " ".join(str(error).split())[-160:]


def compare(folder, only):
    found = programs()
    if not found:
        return {}
    import numpy

    table = {}
    for path in sorted(folder.glob("*.onnx")):
        if only and path.stem not in only:
            continue
        tensors = read_safetensors(path.with_suffix(".safetensors"), numpy)
        table[path.stem] = {name: outcome(load, path, tensors, numpy) for name, load in found.items()}
    return table


def ask_other(other, folder, names):
    call = [os.path.expanduser(other), __file__, "", *names, "--in", str(folder), "--json"]
    return json.loads(subprocess.run(call, check=True, stdout=subprocess.PIPE).stdout)


def show(table):
    """Prints the table, and returns how many cells are wrong."""
    columns = sorted({program for row in table.values() for program in row})
    print("| model | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    failures = 0
    for name, row in table.items():
        cells = []
        for program in columns:
            result = row.get(program, "")
            known = KNOWN.get((program.split()[0], name.split("+")[0]))
            good = result in ("ok", "") or (isinstance(result, float) and result <= TOLERANCE)
            failures += not good and not known
            text = f"{result:.1e}" if isinstance(result, float) else result
            cells.append(text if good else f"no: {known}" if known else f"**{text}**")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\n{len(table)} files, {failures} failures")
    return failures


def write_predicted(program, weights, picture, folder):
    """What --predict compares, as onnx_cases writes it: bytes, and logits as logarithms of probabilities."""
    import numpy

    def run(*arguments):
        return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout

    classes = json.loads(read_header(pathlib.Path(weights).read_bytes())["__metadata__"]["class_names"])
    ask = ["predict", "--weights", weights, "--precision", "fp32", "--top", "9999", "--json"]
    for name, flags in ("predict", []), ("predict+folded", ["--fold-batch-norm"]), ("predict+batch7", ["--batch", "7"]):
        path = folder / (name + ".onnx")
        told = run("export", "--weights", weights, "--normalize", "--out", str(path), *flags)
        print(told, end="")
        channels, height, width = map(int, re.search(r"input \(\w+,(\d+),(\d+),(\d+)\)", told).groups())
        # As it is, whatever evaluation does to pictures of other sizes.
        size = f"{height}x{width}x{channels}"
        answer = json.loads(run(*ask, "--input", size, picture))
        probabilities = {each["class"]: each["probability"] for each in answer["top"]}
        model = [probabilities[name] for name in classes]
        pixels = numpy.frombuffer(pathlib.Path(picture).read_bytes()[-3 * width * height :], numpy.uint8)
        x = pixels.reshape(1, height, width, 3)[..., :channels].transpose(0, 3, 1, 2)
        y = numpy.log(numpy.array([model]))
        tensors = {}
        for count in (1, 7) if "7" not in name else (7,):
            tensors[f"x{count}"], tensors[f"y{count}"] = numpy.repeat(x, count, 0), numpy.repeat(y, count, 0)
        write_safetensors(path.with_suffix(".safetensors"), tensors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="onnx_cases; with --predict striate, or a program of its commands")
    parser.add_argument("names", nargs="*", help="these cases alone")
    parser.add_argument("--predict", nargs=2, metavar=("WEIGHTS", "PICTURE"))
    parser.add_argument("--with", dest="other", help="another Python to ask as well")
    parser.add_argument("--in", dest="folder", type=pathlib.Path, help="what onnx_cases wrote before, to this folder")
    parser.add_argument("--json", action="store_true", help="print that of the table's rows alone")
    flags = parser.parse_args()
    if not programs() and not flags.other:
        print("neither onnx nor onnxruntime nor cv2 is there")
        return 77
    with tempfile.TemporaryDirectory() as made:
        folder = flags.folder or pathlib.Path(made)
        if flags.predict:
            write_predicted(flags.program, *flags.predict, folder)
        elif not flags.folder:
            subprocess.run([flags.program, made, *flags.names], check=True)
        table = compare(folder, flags.names)
        if flags.json:
            print(json.dumps(table))
            return 0
        if flags.other:
            for name, row in ask_other(flags.other, folder, flags.names).items():
                table[name] = {**row, **table.get(name, {})}
        return 1 if show(table) else 0


if __name__ == "__main__":
    sys.exit(main())
