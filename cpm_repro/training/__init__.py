"""What `caffe train` does with a solver prototxt (Caffe: tools/caffe.cpp, solver.cpp, sgd_solver.cpp).

In reading order: run (a whole run), plan (read and checked), setup (built), loop (iterations, bare), testing (test nets
meanwhile), hooks (what watches them), solver (clipping, decay, updates), rates, snapshots, update (the blobs'
arithmetic); log (Caffe's own words), watch/ (what a run leaves to be looked at), trace (a record to compare), run_state
(what a run needs to go on to the bit); processes and gradient_exchange (several of them).
"""
