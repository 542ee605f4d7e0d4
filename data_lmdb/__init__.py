"""From annotations to JSON, from JSON and images to LMDB, and back: the CPM release's training data."""
