"""What Triton's example programs leave out of its client library: extensions, compressed answers, datatypes."""

import sys

import numpy as np
import tritonclient.http as http

client = http.InferenceServerClient(sys.argv[1])


def infer(model, datatype, values, output="OUTPUT0", options=None, **request):
    given = http.InferInput("INPUT0", list(values.shape), datatype)
    given.set_data_from_numpy(values)
    wanted = http.InferRequestedOutput(output, **(options or {}))
    return client.infer(model, [given], outputs=[wanted], **request)


def counts():
    [stats] = client.get_inference_statistics("simple_identity")["model_stats"]
    ended = [stats["inference_stats"][each]["count"] for each in ("success", "fail")]
    return np.array([stats["inference_count"], stats["execution_count"], *ended])


before = counts()

config = client.get_model_config("simple_identity")
assert config["input"] == [{"name": "INPUT0", "data_type": "TYPE_STRING", "dims": [16]}], config
assert config["max_batch_size"] > 0 and "dynamic_batching" in config, config

index = client.get_model_repository_index()
assert {"name": "simple", "version": "1", "state": "READY", "reason": ""} in index, index

texts = np.array([["owl \u00e9\U0001f989"] * 16] * 200, dtype=np.object_)
for algorithm in ("gzip", "deflate", None):
    for binary in (True, False):
        answer = infer(
            "simple_identity",
            "BYTES",
            texts,
            options={"binary_data": binary},
            request_id="r1",
            priority=1,
            timeout=5_000_000,
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
            parameters={"own": "parameter"},
        )
        assert answer.get_response()["id"] == "r1", answer.get_response()
        got = np.vectorize(lambda text: text if isinstance(text, str) else text.decode())(answer.as_numpy("OUTPUT0"))
        assert (got == texts).all(), (algorithm, binary)

row = np.arange(16, dtype=np.int32).reshape(1, 16)
inputs = [http.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
for each in inputs:
    each.set_data_from_numpy(row)
largest = [http.InferRequestedOutput("OUTPUT0", class_count=2)]
classes = client.infer("simple", inputs, outputs=largest).as_numpy("OUTPUT0")
assert classes.tolist() == [[b"30:15", b"28:14"]], classes

try:
    infer("simple_identity", "BYTES", texts, sequence_id=1)
    sys.exit("a sequence was taken")
except http.InferenceServerException as refusal:
    assert "sequences are not offered" in refusal.message(), refusal.message()

# Rows, runs, answers, refusals.
assert (counts() - before).tolist() == [1200, 6, 6, 1], (before, counts())

print("PASS: library")
