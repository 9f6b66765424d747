#!/usr/bin/env python3
"""The event file that EventFile.IsTensorBoards (tests/apps/event_file_test.cpp) writes, by TensorBoard's own messages
and writer, in hexadecimal. TensorBoard reads it back before it is printed.

Needs tensorboard (and numpy); the tests need neither.
"""
import pathlib
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

# encode_png of the picture in the test.
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000003000000020800000000b81f39c6000000017352474200aece1ce9000000104944415408996364d0d060acd0d0000003ac011b47a0f94d0000000049454e44ae426082")
VALUES = [-1.75, 0.25, 0.5, 2.0]  # buckets of 1/8, exact however it is rounded


def events():
    Event, Value = event_pb2.Event, summary_pb2.Summary.Value
    yield Event(wall_time=1001.5, file_version="brain.Event:2")
    yield Event(wall_time=1002.5, step=7, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
    low, high = VALUES[0], VALUES[-1]
    width = (high - low) / 30
    buckets = [0.0] * 30
    for v in VALUES:
        buckets[min(29, int((v - low) / width))] += 1
    histogram = summary_pb2.HistogramProto(
        min=low, max=high, num=len(VALUES), sum=sum(VALUES), sum_squares=sum(v * v for v in VALUES),
        bucket_limit=[low + width * (i + 1) for i in range(29)] + [high], bucket=buckets)
    image = summary_pb2.Summary.Image(height=2, width=3, colorspace=1, encoded_image_string=PNG)
    yield Event(wall_time=1003.5, step=300, summary=summary_pb2.Summary(value=[
        Value(tag="loss/train", simple_value=0.375), Value(tag="picture", image=image),
        Value(tag="weights", histo=histogram)]))


with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "events.out.tfevents.1000.striate"
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in events():
            writer.write(event.SerializeToString())
    read = EventAccumulator(folder)
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("loss/train")] == [(300, 0.375)]
    assert read.Images("picture")[0].encoded_image_string == PNG
    assert read.Histograms("weights")[0].histogram_value.num == len(VALUES)
    text = path.read_bytes().hex()
    for i in range(0, len(text), 100):
        print(f'    "{text[i:i + 100]}"')
