"""From records to training batches: the augmentation and the data layer of the CPM fork.

In reading order: transformer (a record and its dice become a sample), placement (where the people are after each step),
table (dice from files), clahe; batch (samples on their way into tensors), data_layer (batches ahead of the training);
datum_transformer, datum_data, image_data, hdf5_data, memory_data (Caffe's own data layers), data_layers (all of a net);
timeline (who waits for whom).
"""
