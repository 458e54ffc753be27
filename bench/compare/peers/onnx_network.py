"""The seed network as an ONNX file, for frameworks that read those. Images are N x 1 x 28 x 28, scaled already."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from network import CLASSES, FILTERS, SIZE, channels_first


def write(path, weights, batch_size):
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(op, inputs, **attributes):
        nodes.append(helper.make_node(op, inputs, [f"{op}{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    x = "images"
    for i, (kernel, bias) in enumerate(weights[: len(FILTERS)]):
        inputs = [x, constant(f"kernel{i}", kernel.transpose(3, 2, 0, 1)), constant(f"bias{i}", bias)]
        x = add("Relu", [add("Conv", inputs, kernel_shape=[3, 3], pads=[1, 1, 1, 1])])
    x = add("Flatten", [add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])])
    dense = weights[len(FILTERS) :]
    for i, (kernel, bias) in enumerate(dense):
        kernel = channels_first(kernel) if i == 0 else kernel
        x = add("Gemm", [x, constant(f"dense{i}", kernel), constant(f"dense_bias{i}", bias)])
        if i + 1 < len(dense):
            x = add("Relu", [x])
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch_size, 1, SIZE, SIZE])
    logits = helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch_size, CLASSES])
    graph = helper.make_graph(nodes, "seed", [images], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
