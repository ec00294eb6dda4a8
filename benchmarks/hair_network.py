"""Convert MediaPipe's hair segmentation network, and note what MediaPipe itself makes of pictures.

    python benchmarks/hair_network.py hair_segmentation.tflite --weights hair.safetensors
    python benchmarks/hair_network.py hair_segmentation.tflite --golden golden_hair.npz

The second needs the package `mediapipe`, which knows the graph's three custom operations. It
wants a picture of three channels and a description of them, so the graph gets both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import flatbuffers
import numpy as np
import skimage.data
import torch
from ai_edge_litert import schema_py_generated as tflite
from ai_edge_litert.interpreter import Interpreter
from safetensors.torch import save_file
from torch import Tensor, nn

from reage.networks.hair_segmentation import HAIR_INPUT, HairSegmentationNetwork

FLOAT32, INT32, PAD, PAD_OPTIONS = 0, 2, 34, 22  # in TFLite's schema
STEP = {"noise": 16, "astronaut": 8}  # places between values that are kept


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("tflite", type=Path)
    parser.add_argument("--weights", type=Path, help="write them as float16")
    parser.add_argument("--golden", type=Path, help="write MediaPipe's results")
    options = parser.parse_args()
    if options.weights:
        state = {
            name: value.half().contiguous() for name, value in converted(options.tflite).items()
        }
        save_file(state, options.weights)
    if options.golden:
        graph = with_three_channels(options.tflite.read_bytes())
        results = {
            name: logits_of(graph, picture)[:: STEP[name], :: STEP[name]]
            for name, picture in pictures().items()
        }
        np.savez_compressed(options.golden, **results)


def pictures() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (HAIR_INPUT, HAIR_INPUT, 3), np.uint8)
    return {"noise": noise, "astronaut": np.ascontiguousarray(skimage.data.astronaut())}


def converted(path: Path) -> dict[str, Tensor]:
    """The weights under the module's names: both list their layers in the same order."""
    network = HairSegmentationNetwork()
    layers = [
        m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.PReLU)
    ]
    with torch.no_grad():
        for layer, (kind, values) in zip(layers, constants(path), strict=True):
            weight = torch.from_numpy(values[0])
            if isinstance(layer, nn.PReLU):
                assert kind == "PRELU"
                layer.weight.copy_(weight.flatten())
                continue
            weight = weight.permute((0, 3, 1, 2) if kind == "CONV_2D" else (3, 0, 1, 2))
            assert weight.shape == layer.weight.shape, kind
            layer.weight.copy_(weight)
            layer.bias.copy_(torch.from_numpy(values[1]))
    return network.state_dict()


def constants(path: Path) -> list[tuple[str, list[np.ndarray]]]:
    """What each operation takes that no other gives, in the order in which they run."""
    interpreter = Interpreter(model_path=str(path))
    operations = interpreter._get_ops_details()
    made = {int(i) for operation in operations for i in operation["outputs"]}
    made.add(int(interpreter.get_input_details()[0]["index"]))
    found = []
    for operation in operations:
        values = [interpreter.get_tensor(int(i)) for i in operation["inputs"] if int(i) not in made]
        if values:
            found.append((operation["op_name"], [value.copy() for value in values]))
    return found


def with_three_channels(content: bytes) -> bytes:
    """The graph with float16's rounding of its weights, the fourth channel zeros, and a label."""
    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        if tensor.type == FLOAT32 and data is not None:
            values = np.frombuffer(data.tobytes(), np.float32).astype(np.float16)
            model.buffers[tensor.buffer].data = _bytes(values.astype(np.float32))
    rgb = _add_tensor(model, "rgb", FLOAT32, (1, HAIR_INPUT, HAIR_INPUT, 3), None)
    pads = _add_tensor(model, "pads", INT32, (4, 2), np.array([[0, 0]] * 3 + [[0, 1]], np.int32))
    code = tflite.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = PAD
    model.operatorCodes.append(code)
    pad = tflite.OperatorT()
    pad.opcodeIndex = len(model.operatorCodes) - 1
    pad.inputs, pad.outputs = np.array([rgb, pads], np.int32), np.array(graph.inputs, np.int32)
    pad.builtinOptionsType, pad.builtinOptions = PAD_OPTIONS, tflite.PadOptionsT()
    graph.operators.insert(0, pad)
    graph.inputs = np.array([rgb], np.int32)
    label = tflite.MetadataT()
    label.name, label.buffer = "TFLITE_METADATA", _add_buffer(model, _label())
    model.metadata = [label]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _label() -> np.ndarray:
    """MediaPipe's description of the graph: pictures come as RGB in 0..1."""
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    unit, options = schema.ProcessUnitT(), schema.NormalizationOptionsT()
    options.mean, options.std = [0.0], [255.0]
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, options
    content, colours = schema.ContentT(), schema.ImagePropertiesT()
    colours.colorSpace = schema.ColorSpaceType.RGB
    content.contentPropertiesType = schema.ContentProperties.ImageProperties
    content.contentProperties = colours
    pictures, graph, model = (
        schema.TensorMetadataT(),
        schema.SubGraphMetadataT(),
        schema.ModelMetadataT(),
    )
    pictures.processUnits, pictures.content = [unit], content
    graph.inputTensorMetadata, graph.outputTensorMetadata = [pictures], [schema.TensorMetadataT()]
    model.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"M001")
    return np.frombuffer(bytes(builder.Output()), np.uint8)


def _add_tensor(
    model, name: str, kind: int, shape: tuple[int, ...], value: np.ndarray | None
) -> int:
    tensor = tflite.TensorT()
    tensor.name, tensor.type, tensor.shape = name, kind, np.array(shape, np.int32)
    tensor.buffer = 0 if value is None else _add_buffer(model, _bytes(value))
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _add_buffer(model, data: np.ndarray) -> int:
    buffer = tflite.BufferT()
    buffer.data = data
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.frombuffer(values.tobytes(), np.uint8)


def logits_of(graph: bytes, picture: np.ndarray) -> np.ndarray:
    """MediaPipe's logits `[512, 512, 2]` of a picture of that size."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_buffer=graph), output_confidence_masks=True
    )
    image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        masks = segmenter.segment(image).confidence_masks
    return np.dstack([mask.numpy_view() for mask in masks]).copy()


if __name__ == "__main__":
    main()
