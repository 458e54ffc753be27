"""Prediction in MNN, from the ONNX file."""

import os
import subprocess
import sys
import tempfile

import MNN
import numpy as np

import onnx_network
from network import CLASSES, SIZE
from predicting import options, serve

arguments = options()


def predictor(batch_size):
    shape = (batch_size, 1, SIZE, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        source, target = (os.path.join(folder, name) for name in ("seed.onnx", "seed.mnn"))
        onnx_network.write(source, arguments.layers, batch_size)
        convert = [os.path.join(os.path.dirname(sys.executable), "mnnconvert"), "-f", "ONNX", "--bizCode", "MNN"]
        subprocess.run(convert + ["--modelFile", source, "--MNNModel", target], check=True, stdout=sys.stderr)
        interpreter = MNN.Interpreter(target)
    session = interpreter.createSession({"backend": "CPU", "numThread": arguments.threads, "precision": "high"})
    entry, exit = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)
    caffe = MNN.Tensor_DimensionType_Caffe
    logits = MNN.Tensor((batch_size, CLASSES), MNN.Halide_Type_Float, np.zeros((batch_size, CLASSES), np.float32), caffe)

    def predict(images):
        entry.copyFrom(MNN.Tensor(shape, MNN.Halide_Type_Float, images.reshape(shape), caffe))
        interpreter.runSession(session)
        exit.copyToHostTensor(logits)
        return logits.getNumpyData()

    predict.interpreter = interpreter  # the session lives as long
    return predict


serve(predictor, arguments, {"mnn": MNN.version()})
