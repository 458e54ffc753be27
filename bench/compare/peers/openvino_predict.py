"""Prediction in OpenVINO, in fp32 as all others."""

import tempfile

import openvino

import onnx_network
from predicting import options, serve

arguments = options()
core = openvino.Core()
settings = {
    "INFERENCE_NUM_THREADS": arguments.threads,
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "f32",
}


def predictor(batch_size):
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        onnx_network.write(file.name, arguments.layers, batch_size)
        request = core.compile_model(file.name, "CPU", settings).create_infer_request()
    return lambda images: request.infer(
        [images.reshape(batch_size, 1, 28, 28)], share_inputs=True, share_outputs=True
    )[0]


serve(predictor, arguments, {"openvino": openvino.__version__.split("-")[0]})
