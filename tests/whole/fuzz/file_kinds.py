"""The kinds of files that people hand in."""

from tests.whole.fuzz.caffe_files import prototxts, weights
from tests.whole.fuzz.data_files import data_files
from tests.whole.fuzz.people_files import annotations, databases, matlab, records
from tests.whole.fuzz.result_files import results
from tests.whole.fuzz.shared_seeds import Kind

KINDS: dict[str, Kind] = {
    "prototxts": prototxts,
    "weights": weights,
    "databases": databases,
    "records": records,
    "annotations": annotations,
    "matlab": matlab,
    "results": results,
    "data_files": data_files,
}
