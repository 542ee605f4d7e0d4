"""The kinds of files that people hand in."""

from caffe_files import prototxts, weights
from people_files import annotations, databases, matlab, records
from result_files import results
from shared_seeds import Kind

KINDS: dict[str, Kind] = {
    "prototxts": prototxts,
    "weights": weights,
    "databases": databases,
    "records": records,
    "annotations": annotations,
    "matlab": matlab,
    "results": results,
}
