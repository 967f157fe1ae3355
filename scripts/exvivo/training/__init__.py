"""Training and inference of the viability network: phases I, II, III (Berker et al. 2022).

Imports torch, numpy and safetensors alone; data come as plain arrays.
"""
