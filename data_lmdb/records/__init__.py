"""The LMDB, or LevelDB, that the CPM data layer trains from: its record, written and read.

In reading order: record (what a person's record holds), datum (its envelope, where it lies), lmdb_pages (the file's
tree of pages), reader, writer; leveldb_files (tables and logs), snappy (how they are packed), leveldb_reader; sources
(who becomes a record, in which order), shrinking (smaller photographs), workers (decoding on all cores), conversion
(JSON and images to an LMDB), unpacking (image files to planes of pixels), inspection (what is in one).
"""
