"""A data set's annotations as the project's own: one module per data set.

In reading order: marked_people (what they share), mpii, lsp (LSPET too), flic, coco, own (tables of own photographs);
matlab (the MATLAB files most of them come in), matlab_elements (those files checked before SciPy reads them).
"""
