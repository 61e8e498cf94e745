"""Reads a folder of event files with TensorBoard's own accumulators and prints what it found as JSON. Usage: tensorboard_events.py DIR"""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import IMAGES, EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={IMAGES: 0}).Reload()
# The second is the one that serves TensorBoard's pages; it must show the same scalars.
served = PluginAccumulator(sys.argv[1]).Reload()
scalars = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
for tag, points in scalars.items():
    assert [[e.step, e.tensor_proto.float_val[0]] for e in served.Tensors(tag)] == points, tag
texts = {tag: [event.tensor_proto.string_val[0].decode() for event in served.Tensors(tag)] for tag in served.PluginTagToContent("text")}
images = {tag: [[e.step, e.width, e.height, e.encoded_image_string.hex()] for e in events.Images(tag)] for tag in events.Tags()["images"]}
print(json.dumps({"scalars": scalars, "texts": texts, "images": images}))
