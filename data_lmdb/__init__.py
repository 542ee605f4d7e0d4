"""From annotations to JSON, from JSON and images to LMDB, and back: the CPM release's training data.

In reading order: joints (names, orders, left and right), annotations (the JSON), json_stream (large JSON, record by
record), images (decoded as the original decoded them), datasets/ (MPII, LSP, FLIC, COCO, own tables), records/ (the
LMDB), counts (of these, as they are said).
"""
