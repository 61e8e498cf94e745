"""Reads a folder of event files with TensorBoard's own EventAccumulator and prints what it found as JSON. Usage: tensorboard_events.py DIR"""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={TENSORS: 0}).Reload()
scalars = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
texts = {tag: [event.tensor_proto.string_val[0].decode() for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}
print(json.dumps({"scalars": scalars, "texts": texts}))
