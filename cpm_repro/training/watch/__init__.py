"""What a training run leaves to be looked at, beside its snapshots.

In reading order: own_files (which files are this run's: nobody writes over them), output (screen and log file), net_log
(what Caffe says while nets are set up), speed, measures (numbers for other programs), held_out (people whom the net
does not train on), finite_loss.
"""
