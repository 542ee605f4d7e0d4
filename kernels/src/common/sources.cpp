// Which sources this library was compiled from: the checksum of kernels/sources.py, that whoever compiles hands in.

extern "C" {
extern const unsigned cpm_sources;
const unsigned cpm_sources = CPM_SOURCES;
}
