"""Prediction in ONNX Runtime."""

import tempfile

import onnxruntime

import onnx_network
from predicting import options, serve

arguments = options()


def predictor(batch_size):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = arguments.threads
    settings.inter_op_num_threads = 1
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        onnx_network.write(file.name, arguments.layers, batch_size)
        session = onnxruntime.InferenceSession(file.name, settings, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images.reshape(batch_size, 1, 28, 28)})[0]


serve(predictor, arguments, {"onnxruntime": onnxruntime.__version__})
