"""The library's modules, in the order in which they build on each other:
setup, tensor, layers, activations, networks, optimizers, dataloader, training.
"""
